// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/sync/support.hpp"
#include "userspace/base/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sys/stat.h>

namespace vipd::sync {
namespace {

using namespace testing;

TrafficKeys example_keys() {
    const Secret shared = *derive_shared_key("0123456789abcdef0123456789abcdef\n");
    return *derive_traffic_keys(shared,
                                encode_preamble(Role::Sender, nonce_of(0)),
                                encode_preamble(Role::Receiver, nonce_of(100)));
}

// Computed by another implementation of RFC 5869 and SP 800-38D (docs/SYNC_PROTOCOL.md, Example).
TEST(SyncCrypto, DerivesTheKeysOfTheWrittenExample) {
    const Secret shared = *derive_shared_key("0123456789abcdef0123456789abcdef\n");
    EXPECT_EQ(to_hex(text_of(shared.bytes())),
              "5e4300d86898871714087dff05bc4152c1a66fb24ae7631608918b37caeeb609");
    const auto keys = example_keys();
    EXPECT_EQ(to_hex(text_of(keys.of_sender.key.bytes())),
              "27c62f098765b6ee397241b430684c3479d2ebe2f16a9458dbce05b535e19832");
    EXPECT_EQ(to_hex(text_of(keys.of_sender.iv)), "0e794995d371a1d72a192385");
    EXPECT_EQ(to_hex(text_of(keys.of_receiver.key.bytes())),
              "dc7675ffb2c4562defaedf6dfcba38a73d8f8e54732b28cc01f81e9b259f4c38");
    EXPECT_EQ(to_hex(text_of(keys.of_receiver.iv)), "b537624a4c43df713b8d985c");
}

TEST(SyncCrypto, SealsTheRecordsOfTheWrittenExample) {
    auto sealer = *Cipher::create(Cipher::Direction::Seal, example_keys().of_sender);
    const std::string plain = encode(Keepalive{5});
    const std::string header = from_hex("00000019");
    std::vector<std::string> records;
    for (int i = 0; i <= 258; ++i) {
        std::string out = header;
        ASSERT_TRUE(sealer.seal(bytes_of(header), bytes_of(plain), out));
        records.push_back(to_hex(out));
    }
    EXPECT_EQ(records[0], "00000019529a6bfb13fa23d2ea7e25da107cbcff80924461c8608ee7cb");
    EXPECT_EQ(records[1], "00000019762e3a6abbddf205501c522bf8aceb45c0aae36c58eb76ff5d");
    EXPECT_EQ(records[258], "000000195be7b49c58f01ce1bcd57dbb2ef968b0b6b42d14e7fdb1426f");
}

TEST(SyncCrypto, OpensARecordOnlyOnceInOrderAndWithItsHeader) {
    const auto key = example_keys().of_sender;
    auto sealer = *Cipher::create(Cipher::Direction::Seal, key);
    const std::string header = "head";
    std::string first;
    std::string second;
    ASSERT_TRUE(sealer.seal(bytes_of(header), bytes_of("one"), first));
    ASSERT_TRUE(sealer.seal(bytes_of(header), bytes_of("two"), second));
    const auto opener = [&] { return *Cipher::create(Cipher::Direction::Open, key); };

    auto in_order = opener();
    EXPECT_EQ(text_of(*in_order.open(bytes_of(header), bytes_of(first))), "one");
    EXPECT_EQ(text_of(*in_order.open(bytes_of(header), bytes_of(second))), "two");
    EXPECT_FALSE(opener().open(bytes_of(header), bytes_of(second)));
    auto twice = opener();
    EXPECT_TRUE(twice.open(bytes_of(header), bytes_of(first)));
    EXPECT_FALSE(twice.open(bytes_of(header), bytes_of(first)));
    EXPECT_FALSE(opener().open(bytes_of("HEAD"), bytes_of(first)));
    EXPECT_FALSE(opener().open(bytes_of(header), bytes_of("short")));
}

TEST(SyncCrypto, GivesEachDirectionAndConnectionItsOwnKey) {
    const Secret shared = key_of('k');
    const auto sender = encode_preamble(Role::Sender, nonce_of(1));
    const auto keys =
        *derive_traffic_keys(shared, sender, encode_preamble(Role::Receiver, nonce_of(2)));
    const auto later =
        *derive_traffic_keys(shared, sender, encode_preamble(Role::Receiver, nonce_of(3)));
    EXPECT_FALSE(keys.of_sender.key == keys.of_receiver.key);
    EXPECT_FALSE(keys.of_sender.key == later.of_sender.key);
}

class SyncKeyFile : public ::testing::Test {
  protected:
    SyncKeyFile() {
        std::string path = std::filesystem::temp_directory_path() / "vipd-key-XXXXXX";
        folder_ = ::mkdtemp(path.data());
    }
    ~SyncKeyFile() override { std::filesystem::remove_all(folder_); }
    std::string write(const std::string& text, mode_t mode) {
        const std::string path = folder_ + "/key";
        const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
        EXPECT_EQ(::fchmod(fd.get(), mode), 0);
        return path;
    }
    std::string folder_;
};

TEST_F(SyncKeyFile, GivesTheKeyOfItsTextWithoutTheLineEnd) {
    const std::string text(40, 'x');
    const auto key = load_keyring(write(text + "\r\n", 0600));
    ASSERT_TRUE(key) << key.error().message;
    EXPECT_TRUE(key->first() == *derive_shared_key(text));
    EXPECT_EQ(key->keys().size(), 1U);
    EXPECT_TRUE(load_keyring(write(text, 0640)));
}

TEST_F(SyncKeyFile, HoldsOneKeyALine) {
    const std::string next(32, 'n');
    const std::string now(40, 'x');
    const auto keys = load_keyring(write("# since June\n" + now + "\r\n\n" + next, 0600));
    ASSERT_TRUE(keys) << keys.error().message;
    EXPECT_TRUE(*keys == Keyring({*derive_shared_key(now), *derive_shared_key(next)}));
    EXPECT_TRUE(keys->contains(*derive_shared_key(next)));
    EXPECT_FALSE(keys->contains(*derive_shared_key(std::string(32, 'o'))));
    EXPECT_FALSE(derive_keyring(now + "\nshort"));
    EXPECT_FALSE(derive_keyring("# nothing\n"));
    std::string many;
    for (char letter = 'a'; letter < 'f'; ++letter) many += std::string(32, letter) + "\n";
    EXPECT_FALSE(derive_keyring(many));
}

TEST_F(SyncKeyFile, IsRefusedWhenOthersCanReadOrWriteIt) {
    for (const mode_t mode : {0644, 0604, 0602, 0620, 0666}) {
        const auto key = load_keyring(write(std::string(40, 'x'), mode));
        ASSERT_FALSE(key) << std::oct << mode;
        EXPECT_NE(key.error().message.find("chmod 600"), std::string::npos) << key.error().message;
    }
}

TEST_F(SyncKeyFile, IsRefusedWhenShortMissingOrNoFile) {
    const auto brief = load_keyring(write(std::string(31, 'x') + "\n\n", 0600));
    ASSERT_FALSE(brief);
    EXPECT_NE(brief.error().message.find("31 bytes"), std::string::npos) << brief.error().message;
    EXPECT_FALSE(load_keyring(write(std::string(70'000, 'x'), 0600)));
    EXPECT_FALSE(load_keyring(folder_));
    EXPECT_EQ(load_keyring(folder_ + "/none").error().errnum, ENOENT);
    ASSERT_EQ(::mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
    EXPECT_FALSE(load_keyring(folder_ + "/fifo"));
}

}  // namespace
}  // namespace vipd::sync
