// What flows share: cancel keys, session ids, holds off the flow's thread, policies that are kept, the state folder.
#include <sys/stat.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/cancel_keys.h"
#include "app/hold_service.h"
#include "app/policy_keeper.h"
#include "app/rate_limit.h"
#include "app/session_id.h"
#include "app/state_folder.h"

namespace assent::app {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class FolderTest : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "assent-app-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }
    void write(const std::filesystem::path& name, std::string_view text) const {
        std::filesystem::create_directories((folder / name).parent_path());
        std::ofstream(folder / name) << text;
    }
    std::filesystem::path folder;
};

TEST(SessionId, is_sixteen_characters_in_order_of_time) {
    const WallTime now{1'795'000'000s};
    const std::string first = make_session_id(now);
    EXPECT_EQ(first.size(), 16U);
    EXPECT_EQ(first.find_first_not_of("0123456789abcdefghjkmnpqrstvwxyz"), std::string::npos) << first;
    EXPECT_LT(first, make_session_id(now + 1ms));
    EXPECT_EQ(first.substr(0, 9), make_session_id(now).substr(0, 9));
    std::set<std::string> ids;
    for (int i = 0; i < 1000; ++i) ids.insert(make_session_id(now));
    EXPECT_EQ(ids.size(), 1000U);
}

TEST(CancelKeys, are_of_one_agent_and_need_the_process_too) {
    CancelKeys keys;
    CancelKey key;
    key.session = "s1";
    key.agent = "nightly";
    key.cgroup_id = 7;
    key.uid = 1000;
    key.process = 4711;
    key.secret = 99;
    const std::uint32_t told = keys.add(key);
    EXPECT_NE(told, 0U);
    ASSERT_TRUE(keys.find(4711, told));
    EXPECT_EQ(keys.find(4711, told)->secret, 99U);
    EXPECT_FALSE(keys.find(4712, told)) << "a guess of the secret alone";
    EXPECT_FALSE(keys.find(4711, told + 1));

    model::Agent agent;
    agent.cgroup_id = 7;
    EXPECT_TRUE(key.is_of(agent));
    agent.cgroup_id = 8;
    EXPECT_FALSE(key.is_of(agent));
    agent.run_name = "nightly";
    agent.uid = 1000;
    EXPECT_TRUE(key.is_of(agent)) << "the same agent as the same user, started again";
    agent.uid = 1001;
    EXPECT_FALSE(key.is_of(agent));
    CancelKey nameless = key;
    nameless.agent.clear();
    model::Agent stranger;
    stranger.cgroup_id = 9;
    stranger.uid = 1000;
    EXPECT_FALSE(nameless.is_of(stranger));

    keys.remove(told);
    EXPECT_FALSE(keys.find(4711, told));
}

TEST(RateLimit, limits_each_and_all_and_counts_the_rest) {
    RateLimit limit(2, 3);
    const Moment now{100s};
    EXPECT_TRUE(limit.admits(1, now));
    EXPECT_TRUE(limit.admits(1, now));
    EXPECT_FALSE(limit.admits(1, now)) << "two of one";
    EXPECT_TRUE(limit.admits(2, now));
    EXPECT_FALSE(limit.admits(3, now)) << "three of all";
    EXPECT_TRUE(limit.admits(1, now + 1s));
    EXPECT_EQ(limit.take_left_out(), 2U);
    EXPECT_EQ(limit.take_left_out(), 0U);
}

// ---- holds

class Records final : public model::RecordSink {
public:
    Result<model::RecordTicket> append(const model::RecordDraft& draft) override {
        const std::lock_guard lock(mutex_);
        texts_.push_back(std::string(draft.type) + " " + std::string(draft.members));
        return texts_.size();
    }
    model::RecordTicket durable() const noexcept override { return 0; }
    bool is_available() const noexcept override { return true; }
    std::vector<std::string> texts() {
        const std::lock_guard lock(mutex_);
        return texts_;
    }

private:
    std::mutex mutex_;
    std::vector<std::string> texts_;
};

class Answers final : public HoldService::Client {
public:
    void hold_answered(const std::string& session, const HoldAnswer& answer) override {
        const std::lock_guard lock(mutex_);
        answers_.emplace_back(session, answer);
        changed_.notify_all();
    }
    // The answer with this number, or nothing after a while.
    std::optional<HoldAnswer> at(std::size_t number) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, 3s, [&] { return answers_.size() > number; })) return std::nullopt;
        return answers_[number].second;
    }
    std::size_t count() {
        const std::lock_guard lock(mutex_);
        return answers_.size();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::pair<std::string, HoldAnswer>> answers_;
};

class HoldServiceTest : public FolderTest {
protected:
    void SetUp() override {
        FolderTest::SetUp();
        desk = std::move(*approve::Desk::open(folder / "holds.sqlite", system_clock()));
        service = std::make_unique<HoldService>(*desk, records);
        ASSERT_TRUE(service->start(folder / "records"));
    }
    void TearDown() override {
        service.reset();
        desk.reset();
        FolderTest::TearDown();
    }
    static model::HoldRequest request(const std::string& session, char seed = 'a') {
        model::HoldRequest made;
        made.digest.fill(static_cast<std::byte>(seed));
        made.session = session;
        made.agent = "nightly";
        made.target = "shop-db";
        made.text = "UPDATE orders SET total = 0";
        made.approvals = {{"dba", {{.users = {"ana"}}}, {}}};
        return made;
    }
    static approve::Person ana() {
        approve::Person person;
        person.uid = person.login_uid = 1000;
        person.name = "ana";
        return person;
    }

    Records records;
    Answers answers;
    std::unique_ptr<approve::Desk> desk;
    std::unique_ptr<HoldService> service;
};

TEST_F(HoldServiceTest, tells_the_session_of_the_decision_and_lets_it_use_it_once) {
    service->open(answers, request("s1"));
    const auto opened = answers.at(0);
    ASSERT_TRUE(opened && std::holds_alternative<model::HoldStatus>(*opened));
    const auto status = std::get<model::HoldStatus>(*opened);
    EXPECT_EQ(status.state, model::HoldState::waiting);
    EXPECT_TRUE(desk->find(status.id)->is_agent_connected);
    ASSERT_TRUE(desk->decide(status.id, ana(), true, "fine"));
    const auto decided = answers.at(1);
    ASSERT_TRUE(decided && std::holds_alternative<model::HoldStatus>(*decided));
    EXPECT_EQ(std::get<model::HoldStatus>(*decided).state, model::HoldState::approved);
    service->use(answers, "s1", status.id);
    const auto used = answers.at(2);
    ASSERT_TRUE(used && std::holds_alternative<HoldUsed>(*used));
    EXPECT_TRUE(std::get<HoldUsed>(*used).was_free);
    service->use(answers, "s1", status.id);
    ASSERT_TRUE(answers.at(3));
    EXPECT_FALSE(std::get<HoldUsed>(*answers.at(3)).was_free);
    const auto texts = records.texts();
    ASSERT_EQ(texts.size(), 2U);
    EXPECT_THAT(texts[0], HasSubstr("hold.opened"));
    EXPECT_THAT(texts[1], HasSubstr(R"("state":"used")"));
}

TEST_F(HoldServiceTest, a_session_that_left_or_ended_hears_nothing_more) {
    service->open(answers, request("s1"));
    const auto id = std::get<model::HoldStatus>(*answers.at(0)).id;
    service->leave("s1", id, false);
    service->open(answers, request("s2"));
    ASSERT_TRUE(answers.at(1));
    EXPECT_EQ(std::get<model::HoldStatus>(*answers.at(1)).id, id) << "the same command joins the hold that waits";
    service->session_ended("s2");
    service->open(answers, request("s3", 'b'));
    ASSERT_TRUE(answers.at(2));
    EXPECT_FALSE(desk->find(id)->is_agent_connected);
    ASSERT_TRUE(desk->decide(id, ana(), false, "no"));
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(answers.count(), 3U);
}

TEST_F(HoldServiceTest, a_command_that_the_agent_took_back_is_cancelled) {
    service->open(answers, request("s1"));
    const auto id = std::get<model::HoldStatus>(*answers.at(0)).id;
    service->leave("s1", id, true);
    service->open(answers, request("s2", 'b'));
    ASSERT_TRUE(answers.at(1));
    EXPECT_EQ(desk->find(id)->status.state, model::HoldState::cancelled);
}

// ---- the state folder and policies

TEST_F(FolderTest, the_mask_key_is_made_once_and_kept_close) {
    policy::Settings settings;
    settings.state = folder / "state";
    settings.run = folder / "run";
    ASSERT_TRUE(make_folders(settings));
    const auto first = mask_key(settings.state);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(*mask_key(settings.state), *first);
    struct stat status {};
    ASSERT_EQ(::stat((settings.state / "keys/mask.key").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    ASSERT_EQ(::chmod((settings.state / "keys/mask.key").c_str(), 0644), 0);
    EXPECT_FALSE(mask_key(settings.state));
    ASSERT_EQ(::chmod((settings.state / "keys/mask.key").c_str(), 0600), 0);
    std::filesystem::resize_file(settings.state / "keys/mask.key", 8);
    EXPECT_FALSE(mask_key(settings.state));
}

TEST_F(FolderTest, a_run_note_tells_the_next_start_what_was_left) {
    EXPECT_EQ(RunNote::left_by_the_one_before(folder), "");
    {
        RunNote note;
        ASSERT_TRUE(note.begin(folder, R"("pid":7)"));
        EXPECT_EQ(RunNote::left_by_the_one_before(folder), R"({"pid":7})") << "as a kill would leave it";
        const auto size = std::filesystem::file_size(folder / "running.json");
        ASSERT_TRUE(note.add(R"("unwritten":3)"));
        EXPECT_EQ(std::filesystem::file_size(folder / "running.json"), size) << "no new place on the disk";
    }
    EXPECT_EQ(RunNote::left_by_the_one_before(folder), R"({"pid":7,"unwritten":3})");
    RunNote note;
    ASSERT_TRUE(note.begin(folder, R"("pid":8)"));
    EXPECT_EQ(RunNote::left_by_the_one_before(folder), R"({"pid":8})");
    note.remove();
    EXPECT_EQ(RunNote::left_by_the_one_before(folder), "");
}

TEST_F(FolderTest, notes_of_a_detach_are_handed_over_once) {
    write("detached.jsonl", "{\"a\":1}\n{\"b\":2}\n");
    EXPECT_FALSE(
        take_detached_notes(folder, [](const std::string&) -> Result<> { return fail(Errc::unavailable, "no records"); }));
    std::vector<std::string> lines;
    const auto take = [&](const std::string& line) -> Result<> {
        lines.push_back(line);
        return {};
    };
    EXPECT_TRUE(take_detached_notes(folder, take));
    EXPECT_TRUE(take_detached_notes(folder, take));
    EXPECT_EQ(lines, (std::vector<std::string>{"{\"a\":1}", "{\"b\":2}"}));
}

class PolicyKeeperTest : public FolderTest {
protected:
    static constexpr std::string_view good = R"(
version: 1
agents: {nightly: [{run: nightly, runners: [root]}]}
targets: {shop: {protocol: postgres, addresses: ["127.0.0.1:5432"]}}
rules:
  - {name: reads, agents: [nightly], targets: [shop], operations: [read], objects: [any], verdict: allow}
)";
    void SetUp() override {
        FolderTest::SetUp();
        settings.policies = folder / "policies";
        settings.state = folder / "state";
        settings.run = folder / "run";
        settings.govern_slices = {"assent.slice"};
        ASSERT_TRUE(make_folders(settings));
    }
    [[nodiscard]] PolicyKeeper keeper() {
        return PolicyKeeper(settings, [this](const model::RecordDraft& draft) -> Result<> {
            recorded.push_back(std::string(draft.type) + " " + std::string(draft.members));
            for (const auto& body : draft.bodies)
                recorded.push_back(std::string(body.name) + " " + std::string(as_text(body.bytes)));
            return {};
        });
    }
    policy::Settings settings;
    std::vector<std::string> recorded;
};

TEST_F(PolicyKeeperTest, a_broken_set_leaves_the_old_one_in_force_and_says_so) {
    write("policies/a.yaml", good);
    PolicyKeeper keeper = this->keeper();
    const auto first = keeper.load_first();
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_THAT(recorded[0], HasSubstr("policy.loaded"));
    EXPECT_EQ(recorded[1], "policy/a.yaml " + std::string(good));
    const auto digest = keeper.current()->digest();

    write("policies/a.yaml", "version: 1\nrulez: []\n");
    EXPECT_THAT(keeper.describe().at("not_loaded").dump(), HasSubstr("edited"));
    const auto reloaded = keeper.reload("ana");
    ASSERT_FALSE(reloaded);
    EXPECT_THAT(reloaded.error().message, HasSubstr("rulez"));
    EXPECT_THAT(recorded.back(), HasSubstr("policy.rejected"));
    EXPECT_EQ(keeper.current()->digest(), digest);
    EXPECT_THAT(keeper.describe().at("not_loaded").dump(), HasSubstr("rulez"));

    write("policies/a.yaml", good);
    int changes = 0;
    keeper.on_change([&](const auto&) { ++changes; });
    ASSERT_TRUE(keeper.reload("ana"));
    EXPECT_EQ(changes, 1);
    EXPECT_EQ(keeper.current()->revision(), 2U);
    EXPECT_TRUE(keeper.describe().at("not_loaded").empty());
}

TEST_F(PolicyKeeperTest, whatever_is_wrong_with_the_folder_the_policy_in_force_stays) {
    write("policies/a.yaml", good);
    PolicyKeeper keeper = this->keeper();
    ASSERT_TRUE(keeper.load_first());
    const auto digest = keeper.current()->digest();
    const auto file = folder / "policies/b.yaml";
    const std::vector<std::pair<std::string, std::function<void()>>> ways = {
        {"duplicate key", [&] { write("policies/b.yaml", "version: 1\nversion: 1\n"); }},
        {"not UTF-8", [&] { write("policies/b.yaml", "# \xFF\n"); }},
        {"not YAML", [&] { write("policies/b.yaml", "rules: [\n"); }},
        {"defined twice", [&] { write("policies/b.yaml", good); }},
        {"undefined agent", [&] { write("policies/b.yaml", "rules: [{name: r, verdict: deny, agents: [nobody]}]\n"); }},
        {"not a regular file", [&] { ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0); }},
        {"is a directory", [&] { std::filesystem::create_directory(file); }},
        {"symbolic links", [&] { std::filesystem::create_symlink("b.yaml", file); }},
        {"larger than", [&] { write("policies/b.yaml", std::string(5U << 20U, '#')); }},
    };
    for (const auto& [expected, spoil] : ways) {
        spoil();
        const auto reloaded = keeper.reload("ana");
        ASSERT_FALSE(reloaded) << expected;
        EXPECT_THAT(reloaded.error().message, HasSubstr(expected));
        EXPECT_THAT(reloaded.error().message, HasSubstr("b.yaml"));
        EXPECT_EQ(keeper.current()->digest(), digest);
        EXPECT_THAT(keeper.describe().at("not_loaded").dump(), HasSubstr("b.yaml"));
        EXPECT_THAT(recorded.back(), HasSubstr("policy.rejected"));
        std::filesystem::remove_all(file);
    }
    std::filesystem::rename(folder / "policies", folder / "away");
    EXPECT_FALSE(keeper.reload("ana")) << "a folder that is gone is no empty set";
    EXPECT_EQ(keeper.current()->digest(), digest);
    std::filesystem::rename(folder / "away", folder / "policies");
    EXPECT_TRUE(keeper.reload("ana"));
    EXPECT_TRUE(keeper.describe().at("not_loaded").empty());
}

TEST_F(PolicyKeeperTest, a_restart_on_a_broken_set_uses_the_last_good_one) {
    write("policies/a.yaml", good);
    write("policies/more/b.yaml", "version: 1\n");
    Digest digest{};
    {
        PolicyKeeper keeper = this->keeper();
        ASSERT_TRUE(keeper.load_first());
        digest = keeper.current()->digest();
    }
    write("policies/a.yaml", "version: nonsense\n");
    PolicyKeeper keeper = this->keeper();
    ASSERT_TRUE(keeper.load_first());
    EXPECT_EQ(keeper.current()->digest(), digest);
    EXPECT_FALSE(keeper.describe().at("not_loaded").empty());
}

TEST_F(PolicyKeeperTest, revisions_go_on_counting_after_a_restart) {
    write("policies/a.yaml", good);
    for (const std::uint64_t expected : {1U, 3U, 5U}) {
        PolicyKeeper keeper = this->keeper();
        ASSERT_TRUE(keeper.load_first());
        EXPECT_EQ(keeper.current()->revision(), expected);
        ASSERT_TRUE(keeper.reload("ana"));
        EXPECT_EQ(keeper.current()->revision(), expected + 1);
    }
    write("state/policy-revision", "seven");
    PolicyKeeper keeper = this->keeper();
    const auto loaded = keeper.load_first();
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().message, HasSubstr("policy-revision does not hold a number"));
}

TEST_F(PolicyKeeperTest, without_any_good_set_there_is_no_start) {
    write("policies/a.yaml", "version: nonsense\n");
    PolicyKeeper keeper = this->keeper();
    EXPECT_FALSE(keeper.load_first());
    EXPECT_EQ(keeper.current(), nullptr);
}

TEST_F(PolicyKeeperTest, a_policy_that_cannot_be_recorded_does_not_come_into_force) {
    write("policies/a.yaml", good);
    PolicyKeeper keeper(settings,
                        [](const model::RecordDraft&) -> Result<> { return fail(Errc::unavailable, "the disk is full"); });
    EXPECT_FALSE(keeper.load_first());
    EXPECT_EQ(keeper.current(), nullptr);
}

}  // namespace
}  // namespace assent::app
