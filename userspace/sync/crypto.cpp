// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/crypto.hpp"

#include "userspace/base/fd.hpp"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>

namespace vipd::sync {

namespace {

constexpr std::size_t kMaxKeyFile = 64 * 1024;
constexpr std::string_view kSharedSalt = "vipd sync shared key 1";
constexpr std::string_view kTrafficLabel = "vipd sync traffic 1";

Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// OpenSSL's parameter lists are not const-correct; it only reads these.
OSSL_PARAM octets(const char* name, Bytes bytes) {
    return OSSL_PARAM_construct_octet_string(
        name, const_cast<std::uint8_t*>(bytes.data()), bytes.size());
}

Result<> hkdf(Bytes secret, Bytes salt, Bytes info, std::span<std::uint8_t> out) {
    EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
    EVP_KDF_CTX* context = kdf != nullptr ? EVP_KDF_CTX_new(kdf) : nullptr;
    std::string digest = "SHA256";
    const std::array parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), digest.size()),
        octets(OSSL_KDF_PARAM_KEY, secret),
        octets(OSSL_KDF_PARAM_SALT, salt),
        octets(OSSL_KDF_PARAM_INFO, info),
        OSSL_PARAM_construct_end()};
    const bool ok = context != nullptr &&
                    EVP_KDF_derive(context, out.data(), out.size(), parameters.data()) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    if (!ok) return fail("sync: OpenSSL cannot do HKDF-SHA256");
    return {};
}

}  // namespace

Result<Nonce> make_nonce() {
    Nonce nonce;
    if (RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) != 1)
        return fail("sync: no random bytes to be had");
    return nonce;
}

Secret::~Secret() {
    OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

bool Secret::operator==(const Secret& other) const {
    return CRYPTO_memcmp(bytes_.data(), other.bytes_.data(), bytes_.size()) == 0;
}

Result<Secret> derive_shared_key(std::string_view secret) {
    secret = secret.substr(0, secret.find_last_not_of(" \t\r\n") + 1);
    if (secret.size() < kMinSecret)
        return fail("the shared key has " + std::to_string(secret.size()) + " bytes, at least " +
                    std::to_string(kMinSecret) +
                    " are needed; make one with: head -c 32 /dev/urandom | base64");
    Secret key;
    if (auto ok = hkdf(as_bytes(secret), as_bytes(kSharedSalt), {}, key.writable()); !ok)
        return fail(ok.error());
    return key;
}

bool Keyring::contains(const Secret& key) const {
    return std::ranges::find(keys_, key) != keys_.end();
}

Result<Keyring> derive_keyring(std::string_view text) {
    std::vector<Secret> keys;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.find_first_not_of(" \t\r") == std::string_view::npos || line.front() == '#')
            continue;
        auto key = derive_shared_key(line);
        if (!key) return fail(key.error());
        keys.push_back(*key);
    }
    if (keys.empty()) return fail(derive_shared_key("").error());
    if (keys.size() > kMaxKeys)
        return fail("there are " + std::to_string(keys.size()) + " keys, one a line; at most " +
                    std::to_string(kMaxKeys) + " are good at one time");
    return Keyring(std::move(keys));
}

Result<Keyring> load_keyring(const std::string& path) {
    // The descriptor is what is checked, so the file cannot be changed for another in between.
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return fail_errno(errno, "sync key file " + path);
    struct stat info{};
    if (::fstat(fd.get(), &info) < 0) return fail_errno(errno, "sync key file " + path);
    if (!S_ISREG(info.st_mode)) return fail("sync key file " + path + ": not a regular file");
    if ((info.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        return fail("sync key file " + path +
                    ": others can get at it (mode too wide); do: chmod 600 " + path);
    auto text = read_fd(fd.get(), kMaxKeyFile);
    if (!text) return fail(std::move(text.error()).in("sync key file " + path));
    auto keys = derive_keyring(*text);
    OPENSSL_cleanse(text->data(), text->size());
    if (!keys) return fail(std::move(keys.error()).in("sync key file " + path));
    return keys;
}

Result<TrafficKeys> derive_traffic_keys(const Secret& shared,
                                        Bytes sender_preamble,
                                        Bytes receiver_preamble) {
    std::string salt(sender_preamble.begin(), sender_preamble.end());
    salt.append(receiver_preamble.begin(), receiver_preamble.end());
    std::array<std::uint8_t, 2 * (32 + 12)> material{};
    if (auto ok = hkdf(shared.bytes(), as_bytes(salt), as_bytes(kTrafficLabel), material); !ok)
        return fail(ok.error());
    TrafficKeys keys;
    const auto* from = material.data();
    for (TrafficKey* key : {&keys.of_sender, &keys.of_receiver}) {
        std::copy_n(from, 32, key->key.writable().begin());
        std::copy_n(from + 32, 12, key->iv.begin());
        from += 32 + 12;
    }
    OPENSSL_cleanse(material.data(), material.size());
    return keys;
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
    EVP_MD_CTX_free(context);
}

Result<Sha256> Sha256::create() {
    Sha256 digest;
    digest.context_.reset(EVP_MD_CTX_new());
    if (!digest.context_ || EVP_DigestInit_ex(digest.context_.get(), EVP_sha256(), nullptr) != 1)
        return fail("OpenSSL cannot do SHA-256");
    return digest;
}

void Sha256::update(Bytes bytes) {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::array<std::uint8_t, kDigestSize> Sha256::finish() {
    std::array<std::uint8_t, kDigestSize> digest{};
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    return digest;
}

void Cipher::Free::operator()(evp_cipher_ctx_st* context) const {
    EVP_CIPHER_CTX_free(context);
}

Result<Cipher> Cipher::create(Direction direction, const TrafficKey& key) {
    Cipher cipher;
    cipher.context_.reset(EVP_CIPHER_CTX_new());
    cipher.iv_ = key.iv;
    const int sealing = direction == Direction::Seal ? 1 : 0;
    if (!cipher.context_ || EVP_CipherInit_ex(cipher.context_.get(),
                                              EVP_aes_256_gcm(),
                                              nullptr,
                                              key.key.bytes().data(),
                                              nullptr,
                                              sealing) != 1)
        return fail("sync: OpenSSL cannot do AES-256-GCM");
    return cipher;
}

std::array<std::uint8_t, 12> Cipher::next_nonce() {
    auto nonce = iv_;
    for (std::size_t i = 0; i < 8; ++i)
        nonce[11 - i] = static_cast<std::uint8_t>(nonce[11 - i] ^ (number_ >> (8 * i) & 0xff));
    ++number_;
    return nonce;
}

bool Cipher::seal(Bytes header, Bytes plain, std::string& out) {
    if (sealed_ + plain.size() > kKeyLimit) return false;
    sealed_ += plain.size();
    const auto nonce = next_nonce();
    auto* context = context_.get();
    const std::size_t at = out.size();
    out.resize(at + plain.size() + kTagSize);
    auto* to = reinterpret_cast<std::uint8_t*>(out.data() + at);
    int length = 0;
    const bool ok =
        EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
        EVP_EncryptUpdate(
            context, nullptr, &length, header.data(), static_cast<int>(header.size())) == 1 &&
        EVP_EncryptUpdate(context, to, &length, plain.data(), static_cast<int>(plain.size())) ==
            1 &&
        EVP_EncryptFinal_ex(context, to + plain.size(), &length) == 1 &&
        EVP_CIPHER_CTX_ctrl(
            context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagSize), to + plain.size()) == 1;
    if (!ok) out.resize(at);
    return ok;
}

std::optional<Bytes> Cipher::open(Bytes header, Bytes sealed) {
    if (sealed.size() < kTagSize) return std::nullopt;
    const auto nonce = next_nonce();
    auto* context = context_.get();
    const Bytes cipher = sealed.first(sealed.size() - kTagSize);
    const Bytes tag = sealed.last(kTagSize);
    plain_.resize(cipher.size());
    auto* to = reinterpret_cast<std::uint8_t*>(plain_.data());
    int length = 0;
    const bool ok =
        EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
        EVP_DecryptUpdate(
            context, nullptr, &length, header.data(), static_cast<int>(header.size())) == 1 &&
        EVP_DecryptUpdate(context, to, &length, cipher.data(), static_cast<int>(cipher.size())) ==
            1 &&
        EVP_CIPHER_CTX_ctrl(context,
                            EVP_CTRL_AEAD_SET_TAG,
                            static_cast<int>(kTagSize),
                            const_cast<std::uint8_t*>(tag.data())) == 1 &&
        EVP_DecryptFinal_ex(context, to + cipher.size(), &length) == 1;
    if (!ok) return std::nullopt;
    return Bytes(to, cipher.size());
}

}  // namespace vipd::sync
