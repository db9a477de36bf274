#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "secrets/secret.h"

namespace assent::secrets {
namespace {

class Secret : public testing::Test {
protected:
    Secret() {
        std::string name = testing::TempDir() + "secret-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    ~Secret() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path file(const std::string& content, mode_t mode = 0600) {
        const auto path = folder_ / "password";
        std::ofstream(path, std::ios::binary) << content;
        EXPECT_EQ(::chmod(path.c_str(), mode), 0);
        return path;
    }

    std::filesystem::path folder_;
};

TEST_F(Secret, LosesOneLineEndAndNothingElse) {
    EXPECT_EQ(read_secret(file("s3cret\n")).value(), "s3cret");
    EXPECT_EQ(read_secret(file("s3cret")).value(), "s3cret");
    EXPECT_EQ(read_secret(file("s3cret\r\n")).value(), "s3cret");
    EXPECT_EQ(read_secret(file(" two words \n\n")).value(), " two words \n");
}

TEST_F(Secret, IsRefusedWhenOthersMayUseIt) {
    for (const mode_t mode : {0640U, 0604U, 0620U, 0602U, 0610U, 0601U, 0644U, 0666U}) {
        const auto read = read_secret(file("s3cret\n", mode));
        ASSERT_FALSE(read.has_value()) << std::oct << mode;
        EXPECT_EQ(read.error().code, Errc::denied);
        EXPECT_NE(read.error().message.find("chmod 600"), std::string::npos);
        EXPECT_EQ(read.error().message.find("s3cret"), std::string::npos);
    }
    EXPECT_TRUE(read_secret(file("s3cret\n", 0400)).has_value());
}

TEST_F(Secret, IsRefusedWhenAStrangerOwnsIt) {
    const auto path = file("s3cret\n");
    if (::geteuid() != 0) return;  // only root can give a file away
    ASSERT_EQ(::chown(path.c_str(), 12345, 12345), 0);
    const auto read = read_secret(path);
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code, Errc::denied);
    EXPECT_NE(read.error().message.find("belongs to user 12345"), std::string::npos);
}

TEST_F(Secret, HasBounds) {
    EXPECT_EQ(read_secret(file(std::string(limits::secret_size, 'x'))).value().size(), limits::secret_size);
    EXPECT_EQ(read_secret(file(std::string(limits::secret_size + 1, 'x'))).error().code, Errc::limit);
    EXPECT_EQ(read_secret(file("")).error().code, Errc::invalid);
    EXPECT_EQ(read_secret(file("\n")).error().code, Errc::invalid);
}

TEST_F(Secret, ThatIsNoFileIsAnError) {
    EXPECT_EQ(read_secret(folder_ / "nowhere").error().code, Errc::not_found);
    EXPECT_EQ(read_secret(folder_).error().code, Errc::denied);
    const auto pipe = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_EQ(read_secret(pipe).error().code, Errc::denied);  // and does not wait for a writer
}

}  // namespace
}  // namespace assent::secrets
