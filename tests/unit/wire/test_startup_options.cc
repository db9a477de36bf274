#include <gtest/gtest.h>

#include "wire/postgres/protocol.h"
#include "wire/postgres/startup_options.h"

namespace assent::wire::postgres {
namespace {

ByteVector startup(std::initializer_list<std::string_view> words) {
    ByteVector out;
    MessageWriter writer(out);
    writer.begin_untyped().u32(protocol_3_0);
    for (const auto word : words) writer.text(word);
    writer.u8(0).end();
    return out;
}

TEST(StartupOptions, AreTakenApartAsTheServerDoes) {
    EXPECT_EQ(settings_of_options("-c a=b --search-path=x -cc=d"), (Settings{{"a", "b"}, {"search_path", "x"}, {"c", "d"}}));
    EXPECT_EQ(settings_of_options("  -c\ta=b\\ c\\\\ \n"), (Settings{{"a", "b c\\"}}));
    EXPECT_EQ(settings_of_options(""), Settings{});
}

TEST(StartupOptions, WhatIsNotUnderstoodIsShownWhole) {
    for (const char* options : {"-B 5", "-c", "-c a", "--a", "x", "-c a=b -d 3", "--=b"}) {
        EXPECT_EQ(settings_of_options(options), (Settings{{"options", options}})) << options;
    }
}

TEST(StartupMessage, TheDatabaseIsTheUsersByDefault) {
    const auto request = read_startup(startup({"user", "ana", "application_name", "psql", "_pq_.x", "1"})).value();
    EXPECT_EQ(request.user, "ana");
    EXPECT_EQ(request.database, "ana");
    EXPECT_EQ(request.settings, (Settings{{"application_name", "psql"}}));
    EXPECT_EQ(request.extensions, std::vector<std::string>{"_pq_.x"});
    EXPECT_FALSE(request.is_replication());
}

TEST(StartupMessage, ReplicationIsWhatTheServerTakesForIt) {
    for (const char* yes : {"true", "on", "1", "database", "yes"}) {
        EXPECT_TRUE(read_startup(startup({"user", "ana", "replication", yes}))->is_replication()) << yes;
    }
    EXPECT_FALSE(read_startup(startup({"user", "ana", "replication", "off"}))->is_replication());
}

TEST(StartupMessage, SaysEachThingOnceAndEnds) {
    EXPECT_FALSE(read_startup(startup({"user", "ana", "user", "root"})).has_value());
    EXPECT_FALSE(read_startup(startup({"database", "x"})).has_value());
    EXPECT_FALSE(read_startup(startup({"user", "ana", ""})).has_value());  // bytes behind the end
    const ByteVector whole = startup({"user", "ana"});
    for (std::size_t size = 8; size < whole.size(); ++size)
        EXPECT_FALSE(read_startup(Bytes(whole).first(size)).has_value()) << size;
}

}  // namespace
}  // namespace assent::wire::postgres
