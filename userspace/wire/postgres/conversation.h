// One PostgreSQL session between an agent and a target. The parts, by file: startup.cc (until the target is asked to log
// in), authentication.cc (until the first ReadyForQuery), commands.cc (what the agent asks), refusals.cc (what is asked in
// place of it), replies.cc and results.cc (what the server answers), failures.cc (its errors), question.cc (what assent asks
// on its own), conversation.cc (the rest).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "wire/postgres/copy_masking.h"
#include "wire/postgres/inbox.h"
#include "wire/postgres/login.h"
#include "wire/postgres/names.h"
#include "wire/postgres/outlet.h"
#include "wire/postgres/postgres.h"
#include "wire/postgres/requests.h"
#include "wire/postgres/startup_options.h"

namespace assent::wire::postgres {

class Conversation final : public Adapter {
public:
    Conversation(Options options, Host& host);

    [[nodiscard]] std::size_t received(Side side, Bytes bytes) override;
    [[nodiscard]] bool wants(Side side) const override;
    void target_connected() override;
    void tls_ready(Side side) override;
    void closed(Side side) override;
    void proceed() override;
    void notice(const Refusal& note) override;
    void terminate(const Refusal& why) override;
    [[nodiscard]] bool is_idle() const override;
    [[nodiscard]] bool is_tls_pending(Side side) const override;

private:
    enum class Phase : std::uint8_t {
        startup,           // no StartupMessage yet, or it is being ruled on
        connecting,        // the target is being connected to
        target_asked_tls,  // SSLRequest is sent: one byte comes
        target_tls,        // its TLS begins
        authenticating,    // until the first ReadyForQuery
        established,
        leaving,  // the agent has said goodbye, and the server still answers what was asked before
        over,
    };
    // Why the agent's message is held.
    enum class Waiting : std::uint8_t {
        nothing = 0,
        ruling,    // until proceed()
        answers,   // until all that was asked before has been answered
        question,  // until assent's own question has been answered
    };

    // The two handlers of Inbox.
    struct FromAgent {
        Conversation& self;
        [[nodiscard]] bool may_take() const { return self.agent_may_speak(); }
        Treatment begin(char type, std::size_t length) { return self.agent_begins(type, length); }
        Step whole(char type, Bytes message) { return self.agent_says(type, message); }
        void piece(Bytes bytes, bool is_last) { self.agent_piece(bytes, is_last); }
        void flush() { self.to_target_.flush(); }
    };
    struct FromTarget {
        Conversation& self;
        [[nodiscard]] bool may_take() const { return self.target_may_speak(); }
        Treatment begin(char type, std::size_t length) { return self.target_begins(type, length); }
        Step whole(char type, Bytes message) {
            self.target_says(type, message);
            return Step::taken;
        }
        void piece(Bytes bytes, bool is_last) { self.target_piece(bytes, is_last); }
        void flush() { self.to_agent_.flush(); }
    };

    // startup.cc
    std::size_t take_startup(Bytes bytes);
    void on_startup_message(bool has_more);
    void on_tls_request(bool has_more);
    void on_gss_request();
    void on_cancel_request();
    void on_session_request();
    void rule_startup();
    std::size_t take_tls_answer(Bytes bytes);
    void ask_target_tls();
    void send_startup();
    void finish_startup(bool is_error, std::string_view code, std::string_view why);

    // authentication.cc
    Treatment authentication_begins(char type, std::size_t length);
    void on_authentication(Bytes message);
    void on_own_authentication(std::uint32_t code, Bytes body, Bytes message);
    void on_password(Bytes message);
    void on_backend_key(Bytes message);
    void on_authentication_failed(const ErrorFields& fields, Bytes message);
    void tell_protocol_version();
    void on_first_ready(Bytes message);
    void authentication_reply(char type, Bytes message);

    // commands.cc
    [[nodiscard]] bool agent_may_speak() const;
    Treatment agent_begins(char type, std::size_t length);
    Step agent_says(char type, Bytes message);
    void agent_piece(Bytes bytes, bool is_last);
    Step in_copy(char type, Bytes message);
    Step on_query(Bytes message);
    Step on_parse(Bytes message);
    Step on_bind(Bytes message);
    Step on_execute(Bytes message);
    Step on_describe(Bytes message);
    Step on_close(Bytes message);
    Step on_function_call(Bytes message);
    void on_sync(Bytes message);
    void on_copy_end(Bytes message);
    void on_goodbye(Bytes message);
    bool read_bind(Bytes message, CommandSeen& seen);
    bool read_function_call(Bytes message, CommandSeen& seen);
    [[nodiscard]] CommandSeen command_of(CommandKind kind) const;
    // What the host says; nothing when the message has to be held.
    std::optional<Ruling> judge(CommandSeen& seen);
    Step hold_for_answers();
    Ref<Command> make_command(const CommandSeen& seen, Ruling& ruling);
    void in_batch(bool runs);
    void end_batch();
    void describe_for_masks(const Ref<Command>& command);
    void make_room(const Statement& statement);
    void limit_statements(const Statement& statement, Ruling& ruling);
    Request& push_command(RequestKind kind, const Ref<Command>& command, Ruling& ruling);
    // The held command will not run.
    [[nodiscard]] std::string why_left_early() const;
    void drop_held(std::string_view why);

    // refusals.cc
    void send_refused_query();
    void send_refused_parse(std::string_view name);
    void send_refused_bind();
    void send_refused_execute();
    void send_refused_function_call();

    // replies.cc
    [[nodiscard]] bool target_may_speak() const;
    Treatment target_begins(char type, std::size_t length);
    void target_says(char type, Bytes message);
    void target_piece(Bytes bytes, bool is_last);
    void on_reply(char type, Bytes message);
    void on_parsed(Request& front);
    void on_bound(Request& front);
    void on_parameter_description(Request& front, Bytes message);
    void on_closed(Request& front);
    void on_run_reply(Request& front, char type, Bytes message);
    void on_ready(Bytes message);
    void on_setting(Bytes message);
    void pass_to_agent(Bytes message);
    void pop();
    void skip_silent_requests(char type);
    void resume();
    void flush_notices();

    // results.cc
    void on_row_description(Request& front, Bytes message);
    void on_masked_row(Command& command, Bytes message);
    void on_suspended(Command& command, Bytes message);
    void on_complete(Request& front, char type, Bytes message);
    void on_copy_begins(Request& front, char type, Bytes message);
    void on_masked_copy_data(Command& command, Bytes message);
    [[nodiscard]] bool masks_rows(const Command& command) const;
    [[nodiscard]] const model::ResultMasks& masks_of(const Command& command) const;
    void show_result(Command& command, Bytes bytes);
    void finish(Command& command);
    void finish_portals();

    // failures.cc
    void on_error(Bytes message);
    void on_notice(Bytes message);
    void pass_error(const ErrorFields& fields, Bytes message);
    void refuse_front(const ErrorFields& fields);
    void on_own_error(Bytes message);
    void fail_request(Request& request, const ErrorFields& fields);
    void skip_request(Request& request);
    void skip_to_sync();
    [[nodiscard]] bool strips_words() const;

    // question.cc
    void begin_question(sql::Question question);
    void write_step(MessageWriter& writer, const sql::Question& step);
    void write_step(MessageWriter& writer, std::string_view text);
    void write_guarded(MessageWriter& writer, const sql::Question& question);
    void write_close(MessageWriter& writer);
    void write_sync(MessageWriter& writer);
    void continue_question();
    void send_question();
    void on_own_reply(Request& front, char type, Bytes message);
    void collect_row(Bytes message);
    void question_ended();
    [[nodiscard]] bool is_drained();

    // conversation.cc
    void agent_broke(std::string why);
    void target_broke(std::string why);
    // Tells the agent FATAL where its protocol allows, says goodbye to the target, and is over.
    void end_session(const Refusal& refusal, std::string why, bool is_violation);
    void over(std::string why, bool is_violation);
    [[nodiscard]] bool is_over() const { return phase_ == Phase::over; }
    ByteVector& scratch();

    Options options_;
    Host& host_;
    Pool<Statement> statement_pool_;  // before all that refers to their objects
    Pool<Command> command_pool_;
    Phase phase_ = Phase::startup;
    Outlet to_agent_;
    Outlet to_target_;
    Inbox agent_inbox_;
    Inbox target_inbox_;
    ByteVector scratch_;

    // Start-up.
    ByteVector startup_bytes_;
    std::optional<StartupRequest> startup_;
    std::optional<Login> login_;
    bool is_agent_tls_pending_ = false;
    bool is_target_tls_pending_ = false;
    bool had_tls_request_ = false;
    bool had_gss_request_ = false;
    bool is_replication_ = false;
    bool is_authenticated_ = false;
    bool expects_password_ = false;
    bool has_told_version_ = false;
    std::string method_;

    // What the agent asks, in its order.
    CommandId last_id_ = 0;
    CommandId startup_id_ = 0;  // forwarded, and not ended; 0: none
    CommandId held_id_ = 0;     // of the held command; 0: it has none yet
    Ref<Command> held_portal_;  // the held command is another Execute of it
    bool can_ask_ = true;       // about the held command
    Waiting waiting_ = Waiting::nothing;
    bool is_ruling_ = false;
    bool must_rule_again_ = false;  // proceed() came from inside rule()
    bool is_working_ = false;       // inside received(): a proceed() from there waits for its end
    bool must_proceed_ = false;
    bool is_skipping_ = false;  // the batch has failed or will fail: nothing is judged or sent until its Sync
    bool is_in_batch_ = false;  // extended messages were sent since the last Sync
    bool batch_runs_ = false;   // and one of them was Bind or Execute
    std::uint64_t batch_ = 1;
    std::uint64_t oldest_batch_ = 1;  // statements that were not used since are forgotten
    bool is_copying_in_ = false;      // the server takes CopyData
    bool drops_piece_ = false;
    NameTable<Statement> statements_;
    NameTable<Command> portals_;
    std::size_t statement_bytes_ = 0;
    std::vector<Parameter> parameters_;
    std::vector<std::uint32_t> types_;
    std::vector<std::int16_t> result_formats_;
    std::vector<std::int16_t> formats_;

    // What the server answers, in its order.
    RequestQueue requests_;
    char transaction_status_ = 'I';
    bool has_conforming_strings_ = true;
    bool strips_until_idle_ = false;  // errors at COMMIT may quote what an earlier statement touched
    bool is_mid_message_ = false;     // the agent has a part of a message
    bool had_error_ = false;          // of the front request
    char piece_type_ = 0;             // of the message that is streamed to the agent
    std::optional<CopyMasker> copy_masker_;
    std::optional<std::string> fatal_error_;  // the server's last words
    std::string fatal_code_;
    bool has_target_left_ = false;
    std::optional<Refusal> ending_;  // terminate() waits for the end of a message
    ByteVector notices_;             // wait for the end of a message

    // assent's own question.
    std::optional<sql::Question> question_;
    std::vector<sql::Row> answer_rows_;
    std::size_t answer_bytes_ = 0;
    bool has_question_failed_ = false;
    bool may_question_fail_ = false;  // the one that was asked last
    bool is_ready_held_ = false;      // the first ReadyForQuery waits for the answer
};

}  // namespace assent::wire::postgres
