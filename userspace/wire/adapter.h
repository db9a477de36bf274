// A protocol adapter: bytes in, calls on its Host out. No descriptor, clock, logger or thread. Whatever the cut of the
// bytes, the calls are the same. One adapter serves one flow and is used by that flow's thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/copy.h"
#include "model/mask.h"
#include "sql/catalog.h"

namespace assent::wire {

enum class Side : std::uint8_t { agent, target };

// Counts commands of one flow from 1.
using CommandId = std::uint64_t;

struct Parameter {
    std::uint32_t type = 0;  // oid as the agent declared it, 0 when not said
    bool is_binary = false;
    bool is_null = false;
    Bytes value;
    std::uint32_t described_type = 0;  // as the server described it, where the agent has asked; 0: not known
};

enum class CommandKind : std::uint8_t {
    startup,        // the request to open a session: user, database, options
    query,          // a simple query: text, maybe several statements
    parse,          // a statement is prepared: text; nothing runs, but a certain denial is told now
    bind,           // a prepared statement gets its values: this is the command that will run
    execute,        // a portal runs again, or under a newer policy
    function_call,  // FunctionCall message
};

// A command that waits to be ruled on. Views are valid until the call returns.
struct CommandSeen {
    CommandId id = 0;
    CommandKind kind = CommandKind::query;
    std::string_view text;            // query, parse; bind and execute: the text of the statement behind it
    std::string_view statement_name;  // parse, bind; "" is the unnamed statement
    std::string_view portal_name;     // bind, execute
    std::span<const Parameter> parameters;
    std::span<const std::uint32_t> parameter_types;  // parse: as the agent declared them
    std::span<const std::int16_t> result_formats;    // bind
    std::uint32_t function_oid = 0;
    std::int64_t row_limit = 0;     // execute
    char transaction_status = 'I';  // of the last ReadyForQuery: I, T or E
    bool is_in_batch = false;       // messages since the last Sync are on their way: an implicit transaction may be open
    bool has_conforming_strings = true;
    // False: `ask` is not possible for this command (an aborted transaction, a replication session, start-up, or the server
    // failed the question): decide without.
    bool can_ask = true;
    // startup only
    std::string_view user;
    std::string_view database;
    std::string_view replication;                                  // as sent: "", "true", "database"
    std::span<const std::pair<std::string, std::string>> options;  // settings asked for, the `options` words taken apart
};

// What the agent is told of a refusal, in the protocol's own shape.
struct Refusal {
    std::string code = "42501";
    std::string message;
    std::string detail;  // "cause=rule rule=… retry=never"
    std::string hint;
};

// What shall become of a command. Default-constructed it refuses.
struct Ruling {
    enum class Action : std::uint8_t {
        refuse = 0,
        forward,
        wait,  // the host will call proceed(); the adapter then asks again about the same command
        ask,   // put `question` to the target first, give the rows to answered(), then ask again
    } action = Action::refuse;
    Refusal refusal;
    // One for each statement of the text; shared with the host's cache. Null: nothing is masked. Rows of a statement beyond
    // its end are masked whole.
    std::shared_ptr<const std::vector<model::ResultMasks>> masks;
    std::optional<sql::Question> question;
    // How much of the result, as the agent sees it, the host wants to see.
    std::size_t recorded_result_bytes = 0;
    // How the rows of a COPY … TO STDOUT are written, one for each statement; the protocol tells neither options nor types.
    // Where rows are to be masked and it is missing or `other`, the session ends before a row passes; a column of a type
    // that is not known is masked to null.
    std::shared_ptr<const std::vector<model::CopyLayout>> copies;
    // The command can make names mean something else behind the protocol's back (PREPARE, DECLARE, CLOSE, DEALLOCATE ALL,
    // DISCARD): later commands by the names known until now are shown without their text.
    bool forgets_names = false;
};

struct Outcome {
    CommandId id = 0;
    bool is_error = false;
    std::string_view tag;      // "SELECT 5"; of the last statement
    std::uint64_t rows = 0;    // rows sent to the agent, or affected as the tag says
    std::uint64_t bytes = 0;   // of rows and copied data, both ways
    std::string_view code;     // SQLSTATE of an error
    std::string_view message;  // the error's message, without detail where masks strip it
    bool was_refused = false;  // the error is assent's own
    std::uint64_t masked_fields = 0;
};

enum class TlsUse : std::uint8_t { none, required };

// What the adapter needs of the session. Calls come on the flow's thread, from inside the adapter's own functions.
class Host {
public:
    virtual ~Host() = default;

    // Bytes for one side, in order; copied before it returns.
    virtual void send(Side side, Bytes bytes) = 0;
    // Decides on a command. Called again for the same id after `wait` or `ask`.
    [[nodiscard]] virtual Ruling rule(const CommandSeen& command) = 0;
    virtual void answered(std::vector<sql::Row> rows) = 0;
    // Rows as the agent sees them, for the record. The calls of one command joined are messages of the protocol as they
    // went to the agent (PostgreSQL: RowDescription, DataRow, CopyOutResponse, CopyData, each with its type and length),
    // cut after recorded_result_bytes, maybe in the middle of a message.
    virtual void result_seen(CommandId id, Bytes bytes) = 0;
    // Once for every command that was forwarded or refused, and for one that was waiting and will not run any more (its
    // batch failed, a side left).
    virtual void finished(const Outcome& outcome) = 0;

    virtual void connect_target() = 0;      // answered by target_connected() or by closed(target)
    virtual void start_tls(Side side) = 0;  // after what was sent before is on its way; answered by tls_ready()
    // The session can be used: called before the first ReadyForQuery goes to the agent. A question is put to the target
    // first.
    [[nodiscard]] virtual std::optional<sql::Question> ready() = 0;
    // The target's cancel key; gives the key that the agent is told instead.
    [[nodiscard]] virtual std::uint32_t backend_key(std::uint32_t process, std::uint32_t secret) = 0;
    // Somebody asks, on a flow of its own, to cancel what another flow runs. The adapter closes afterwards.
    virtual void cancel_requested(std::uint32_t process, std::uint32_t secret) = 0;
    // A password or SASL answer passed (never its bytes), or the target refused: for the record.
    virtual void authenticated(std::string_view method) = 0;
    virtual void setting_changed(std::string_view name, std::string_view value) = 0;  // ParameterStatus

    // The transaction status after a command, as ReadyForQuery says it.
    virtual void transaction_status(char status) = 0;
    // A portal or statement is gone (Close, or replaced).
    virtual void statement_closed(std::string_view name) = 0;
    virtual void portal_closed(std::string_view name) = 0;

    // Nothing more will be sent to this side, and the other way stays open (tcp only; other protocols end at once).
    virtual void shut(Side /*side*/) {}

    // The adapter has sent all it will send and is done; `why` is for the record. is_violation: somebody broke the protocol.
    virtual void close(std::string why, bool is_violation) = 0;
};

class Adapter {
public:
    virtual ~Adapter() = default;

    // Takes a prefix of `bytes` and says how long it was. It takes all unless it waits (a ruling, a full queue of requests,
    // TLS): the caller keeps the rest and offers it again after the next call of any function here that returned.
    [[nodiscard]] virtual std::size_t received(Side side, Bytes bytes) = 0;
    // Would received(side, …) take anything now.
    [[nodiscard]] virtual bool wants(Side side) const = 0;
    virtual void target_connected() = 0;
    virtual void tls_ready(Side side) = 0;
    // The side has said that it sends no more (FIN), after its last bytes were received.
    virtual void closed(Side side) = 0;
    // Something that a ruling waited for has changed: ask again.
    virtual void proceed() = 0;
    // A note to the agent at the next place where its protocol allows one (NOTICE).
    virtual void notice(const Refusal& note) = 0;
    // Ends the session from our side: tells the agent why, says goodbye to the target, then Host::close.
    virtual void terminate(const Refusal& why) = 0;
    // No request is open and no transaction runs: a good moment to end on shutdown.
    [[nodiscard]] virtual bool is_idle() const = 0;
    // Are bytes of `side` under TLS expected to begin now (start_tls was called and not answered).
    [[nodiscard]] virtual bool is_tls_pending(Side side) const = 0;
};

}  // namespace assent::wire
