// SPDX-License-Identifier: Apache-2.0
// FIFOs and mail: what is written, what happens when nobody reads, what a mail looks like.
#include "userspace/control/fifo.hpp"
#include "userspace/control/smtp_sender.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sys/stat.h>

namespace vipd::control {
namespace {

using testing::HasSubstr;

class FifoTest : public testing::Test {
  protected:
    FifoTest() {
        std::string name = (std::filesystem::temp_directory_path() / "vipd-fifo-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        path_ = folder_ + "/fifo";
    }
    ~FifoTest() override { std::filesystem::remove_all(folder_); }
    std::string read_all(int fd) {
        std::string text(1U << 20U, '\0');
        const auto got = ::read(fd, text.data(), text.size());
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }

    EventLoop loop_ = EventLoop::create().value();
    ScriptRunner scripts_{loop_};
    std::vector<std::string> said_;
    Fifo fifo_{[this](bool, const std::string& line) { said_.push_back(line); }};
    std::string folder_, path_;
};

TEST_F(FifoTest, IsMadeWrittenToAndTakenAway) {
    {
        Fifo fifo([](bool, const std::string&) {});
        ASSERT_TRUE(
            fifo.configure({.path = path_, .user = {}, .group = {}, .script = {}}, scripts_));
        struct stat info{};
        ASSERT_EQ(::stat(path_.c_str(), &info), 0);
        EXPECT_TRUE(S_ISFIFO(info.st_mode));
        EXPECT_EQ(info.st_mode & 0777U, 0644U);
        const Fd reader(::open(path_.c_str(), O_RDONLY | O_NONBLOCK));
        fifo.write("INSTANCE \"VI_1\" MASTER 100");
        EXPECT_EQ(read_all(reader.get()), "INSTANCE \"VI_1\" MASTER 100\n");
    }
    EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(FifoTest, OneThatWasThereStays) {
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    {
        Fifo fifo([](bool, const std::string&) {});
        ASSERT_TRUE(
            fifo.configure({.path = path_, .user = {}, .group = {}, .script = {}}, scripts_));
    }
    EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(FifoTest, WithoutAReaderNothingWaitsAndTheLossIsSaidOnce) {
    ASSERT_TRUE(fifo_.configure({.path = path_, .user = {}, .group = {}, .script = {}}, scripts_));
    for (int i = 0; i < 10'000; ++i) fifo_.write("INSTANCE \"VI_1\" MASTER 100");
    EXPECT_GT(fifo_.lost(), 0U);
    EXPECT_THAT(said_, testing::ElementsAre(HasSubstr("nobody reads it")));
    const Fd reader(::open(path_.c_str(), O_RDONLY | O_NONBLOCK));
    EXPECT_THAT(read_all(reader.get()), testing::EndsWith("100\n")) << "half a line";
    fifo_.write("INSTANCE \"VI_1\" BACKUP 100");
    EXPECT_THAT(said_.back(), HasSubstr("is read again"));
}

TEST_F(FifoTest, WhatIsNoFifoIsRefused) {
    {
        const Fd file(::open(path_.c_str(), O_CREAT | O_WRONLY, 0600));
    }
    const auto done =
        fifo_.configure({.path = path_, .user = {}, .group = {}, .script = {}}, scripts_);
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().message, HasSubstr("is not a FIFO"));
    EXPECT_FALSE(fifo_.configure(
        {.path = folder_ + "/no/such", .user = {}, .group = {}, .script = {}}, scripts_));
}

Mail sample() {
    return {.server = "mail.example.org",
            .port = 25,
            .timeout_ms = 1000,
            .helo = "lb1",
            .from = "vipd@example.org",
            .to = {"a@example.org", "b@example.org"},
            .subject = "[R1] VRRP Instance VI_1 - Entering MASTER state",
            .body = "=> it is <=\n.dot\n"};
}

TEST(Mail, GoesThroughTheDialogueOfTheRfc) {
    SmtpSender sender(sample(), 0);
    EXPECT_EQ(sender.line("220-mail").send, "");
    EXPECT_EQ(sender.line("220 mail").send, "HELO lb1\r\n");
    EXPECT_EQ(sender.line("250 lb1").send, "MAIL FROM:<vipd@example.org>\r\n");
    EXPECT_EQ(sender.line("250 ok").send, "RCPT TO:<a@example.org>\r\n");
    EXPECT_EQ(sender.line("250 ok").send, "RCPT TO:<b@example.org>\r\n");
    EXPECT_EQ(sender.line("250 ok").send, "DATA\r\n");
    EXPECT_EQ(sender.line("354 go").send,
              "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nFrom: vipd@example.org\r\n"
              "Subject: [R1] VRRP Instance VI_1 - Entering MASTER state\r\n"
              "X-Mailer: Keepalived\r\nTo: a@example.org, b@example.org\r\n\r\n"
              "=> it is <=\r\n..dot\r\n.\r\n");
    const auto delivered = sender.line("250 queued");
    EXPECT_EQ(delivered.send, "QUIT\r\n");
    EXPECT_FALSE(delivered.error);
    EXPECT_EQ(sender.line("221 bye").error, "");
}

TEST(Mail, ARefusalIsTheEnd) {
    SmtpSender sender(sample(), 0);
    (void)sender.line("220 mail");
    EXPECT_THAT(sender.line("550 \x1b[31mno").error.value(), HasSubstr("550"));
    SmtpSender other(sample(), 0);
    EXPECT_TRUE(other.line("hello").error);
    EXPECT_TRUE(SmtpSender(sample(), 0).line("").error);
}

TEST(Mail, NobodyMakesHeadersOutOfLineBreaks) {
    auto mail = sample();
    mail.subject = "x\r\nBcc: evil@example.org";
    mail.to = {"a@example.org>\r\nRCPT TO:<evil@example.org"};
    EXPECT_EQ(message_text(mail, 0).find("\nBcc:"), std::string::npos);
    SmtpSender sender(mail, 0);
    for (const char* line : {"220 x", "250 x"}) (void)sender.line(line);
    const auto recipient = sender.line("250 x").send;
    EXPECT_EQ(recipient.find("\r\n"), recipient.size() - 2);
}

TEST(Mail, TravelsWhole) {
    const auto mail = sample();
    EXPECT_EQ(decode_mail(encode(mail)).value(), mail);
    EXPECT_FALSE(decode_mail(""));
    EXPECT_FALSE(decode_mail("x\n25\n1\nh\nf\ns\n99999999999\n"));
}

}  // namespace
}  // namespace vipd::control
