// Which token is bound to which cgroup: of a unit by the settings, of a run by `assent run --token-file`, or given from
// inside by `assent login`. Files are read again when they change; a binding goes with its cgroup. No token is kept, only
// what was verified of it; that is remembered in `state` for a daemon that is started again.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "app/issuers.h"
#include "app/token_file.h"
#include "model/agent.h"
#include "model/record.h"
#include "policy/glob.h"

namespace assent::app {

using TokenPointer = std::shared_ptr<const model::AgentToken>;

class AgentTokens {
public:
    struct Parts {
        const Issuers& issuers;             // lives longer, and so does what the functions use
        std::filesystem::path cgroup_root;  // the mount
        std::filesystem::path state_file;   // of bindings that are not in the settings
        // The agents in this cgroup or below it have another token. Must only post.
        std::function<void(const std::string& cgroup_path, const TokenPointer& token)> changed;
        std::function<Result<>(const model::RecordDraft& draft)> record;  // waits for the disk
    };
    // Reads the state file. Errc::invalid: it is none of ours.
    [[nodiscard]] static Result<std::unique_ptr<AgentTokens>> open(Parts parts);
    ~AgentTokens() { stop(); }
    AgentTokens(const AgentTokens&) = delete;
    AgentTokens& operator=(const AgentTokens&) = delete;

    void start();
    void stop();

    // Sets the agent's token. Thread: any, also a flow's: what is not known yet is pending.
    void describe(model::Agent& agent);

    // Reads and verifies, and binds nothing. Blocks.
    [[nodiscard]] Result<TokenPointer> try_file(const std::string& file, uid_t reader) const;
    // Binds what try_file() gave; the file is looked at from now on. Errors: Errc::limit, Errc::io.
    [[nodiscard]] Result<> bind_file(const std::string& cgroup_path, std::uint64_t cgroup_id, const std::string& file,
                                     uid_t reader, TokenPointer token);
    // Verifies a token that was given and binds it to the agent's unit, run or cgroup. Errc::denied also when the cgroup has
    // a token by a file. Blocks.
    [[nodiscard]] Result<TokenPointer> bind_given(const model::Agent& agent, std::string_view token);

    [[nodiscard]] std::size_t count() const;

private:
    struct Binding {
        enum class Source : std::uint8_t { unit, file, given } source = Source::given;
        std::uint64_t cgroup_id = 0;
        std::string file;  // empty: given
        uid_t reader = 0;
        TokenPointer token;
        std::optional<FileVersion> version;
        Moment next_try{};            // while it has failed
        bool is_second_look = false;  // a changed file that could not be used may be half written
        bool is_expiry_told = false;
    };
    using Bindings = std::map<std::string, Binding, std::less<>>;

    explicit AgentTokens(Parts parts);
    // agent_tokens_state.cc
    [[nodiscard]] Result<> load();
    [[nodiscard]] std::string saved_text() const;  // with mutex_
    [[nodiscard]] Result<> save();                 // without it: flows must not wait for the disk
    void run();
    void look_around();
    void look_at(const std::string& path, Binding binding);
    void publish(const std::string& path, const Binding& before, const Binding& after);
    void tell_expiry(const std::string& path, const Binding& binding);
    [[nodiscard]] Result<> add(const std::string& path, Binding binding);
    [[nodiscard]] bool is_there(const std::string& path, std::uint64_t cgroup_id) const;
    // With mutex_: the binding of the cgroup or of one above it.
    [[nodiscard]] Bindings::iterator find(const std::string& cgroup_path);
    [[nodiscard]] const policy::IdentitySettings::UnitToken* of_unit(const std::string& unit) const;
    [[nodiscard]] Result<> record(std::string_view event, const std::string& path, const Binding& binding) const;

    Parts parts_;
    std::vector<policy::Glob> unit_globs_;  // of the settings' units, one by one
    std::mutex saving_;                     // before mutex_
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    Bindings bindings_;  // by the cgroup's path
    bool is_wanted_ = false;
    bool is_stopping_ = false;
    std::thread thread_;
};

// The cgroup that systemd or assent made for the agent: not one that it made below that itself.
[[nodiscard]] std::string cgroup_of_agent(const model::Agent& agent);

}  // namespace assent::app
