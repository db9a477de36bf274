// Every queue, buffer, table and size in one place, with what happens when it is full.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace assent::limits {

using namespace std::chrono_literals;

inline constexpr std::size_t KiB = 1024;
inline constexpr std::size_t MiB = 1024 * KiB;

// Reading and writing of flows. A full output queue stops reading from the other side.
inline constexpr std::size_t io_buffer_size = 64 * KiB;
inline constexpr std::size_t output_high_water = 256 * KiB;
inline constexpr std::size_t output_low_water = 64 * KiB;
inline constexpr std::size_t output_maximum = 20 * MiB;  // over it the flow is closed
inline constexpr std::size_t flows_per_thread = 16 * 1024;
inline constexpr std::size_t flows_per_agent = 12 * 1024;  // of one thread: others have room left
inline constexpr auto upstream_connect_timeout = 10s;
inline constexpr auto startup_timeout = 60s;  // from accept until the session is authenticated
inline constexpr auto first_bytes_timeout =
    2s;  // of an agent at an unlisted target, so that it is refused in its own protocol
inline constexpr std::size_t output_own_high_water = 4 * MiB;  // answers that a side does not read: it is not read either
inline constexpr auto closing_timeout = 5s;                    // for a peer to close its end after ours
inline constexpr auto drain_timeout = 20s;                     // on SIGTERM

// Statements. Larger or deeper: denied, with an error that names the limit.
inline constexpr std::size_t statement_size = 1 * MiB;
inline constexpr std::size_t statement_depth = 2048;  // nested nodes of the parse tree's JSON
inline constexpr std::size_t statements_per_query = 1000;
inline constexpr std::size_t statement_repetition = 16 * MiB;  // text of SET (a, b) = source, repeated for every column
inline constexpr std::size_t statement_work =
    2'000'000;  // nodes that one analysis visits; over it the statement is `unknown`
inline constexpr std::size_t parser_stack_size = 512 * MiB;   // address space; touched pages only are memory
inline constexpr std::size_t analysis_cache_entries = 4096;   // a thread; the oldest goes first
inline constexpr std::size_t analysis_cache_text = 16 * KiB;  // longer statements are not cached

// Messages of protocols. Larger: the flow is closed with an error of its protocol and a record.
inline constexpr std::size_t message_size = 16 * MiB;  // one that has to be seen whole
inline constexpr std::size_t startup_message_size = 10'000;
inline constexpr std::size_t parameters = 65'535;
inline constexpr std::size_t outstanding_requests = 16 * 1024;  // pipelined; when full the agent is not read
inline constexpr std::size_t prepared_statements = 10'000;      // a session
inline constexpr std::size_t portals = 1'000;
inline constexpr std::size_t result_columns = 1'664;

// Names and the catalog.
inline constexpr auto catalog_max_age = 10s;
inline constexpr std::size_t catalog_relations = 20'000;  // a session's; when full it is emptied and asked again

// Records. A full lane stops reading from the agent.
inline constexpr std::size_t record_lane_bytes = 4 * MiB;
inline constexpr std::size_t records_kept = 16 * MiB;  // a thread, while the log takes none; full: no new flows
// What a session keeps of its refusals while the log takes nothing; full: the agent is not read.
inline constexpr std::size_t records_kept_of_refusals = 16 * KiB;
inline constexpr std::size_t records_kept_with_bodies = 64;  // a session; of more only the members are kept
inline constexpr std::size_t record_body_text = 1 * MiB;
inline constexpr std::size_t record_body_result = 64 * KiB;  // masked results kept of one command
inline constexpr std::size_t segment_size = 64 * MiB;
inline constexpr std::size_t record_members = 1 * MiB;      // JSON members of one record; larger is Errc::invalid
inline constexpr std::size_t record_body_policy = 4 * MiB;  // one file of a policy set
inline constexpr std::size_t record_bodies = 4'000;         // of one record
inline constexpr std::size_t record_frame = 8 * MiB;        // payload; a longer one is not a frame
inline constexpr std::size_t record_batch = 8 * MiB;        // taken from the lanes before it is synced; then they fill
inline constexpr std::size_t record_waiting = 10'000;       // drafts of threads that wait; more is Errc::limit
inline constexpr std::size_t checkpoint_note = 64 * KiB;
inline constexpr std::size_t record_depth = 32;              // nesting of a record's JSON; deeper: it is not one of ours
inline constexpr std::size_t segment_hashes = 64 * MiB;      // 32 bytes a record of one segment
inline constexpr std::uint64_t checkpoint_records = 65'536;  // a checkpoint after so many records,
inline constexpr auto checkpoint_interval = 10s;             // or so long after one that it does not cover

// Holds and the control socket.
// Those that wait or are approved. Full: what would be held is denied, and the agent is told to come again.
inline constexpr std::size_t open_holds = 20'000;  // some 400 bytes of memory each; the rest is on the disk
inline constexpr std::size_t open_holds_per_agent = 1'000;
inline constexpr std::size_t open_holds_size = 512 * MiB;  // of their requests, on the disk
inline constexpr std::size_t open_holds_size_per_agent = 64 * MiB;
inline constexpr std::size_t ended_holds_size_per_agent = 64 * MiB;  // the oldest go first, when the log has their end
inline constexpr std::size_t ended_holds_size = 1024 * MiB;          // of all agents; likewise
inline constexpr std::size_t hold_stages = 16;                       // of one approval
inline constexpr std::size_t hold_quorum = 100;
inline constexpr std::size_t open_grants = 1'000;            // widened approvals and broken glass; more are not given
inline constexpr auto grant_duration = 24h;                  // the most that a widened approval lasts
inline constexpr auto glass_duration = 8h;                   // the most that a policy's `break_glass` lasts
inline constexpr std::size_t released_at_once = 1'000;       // holds that one widened approval releases
inline constexpr std::size_t suspensions = 10'000;           // more are refused
inline constexpr std::size_t limit_counters = 16 * 1024;     // agent and rule; full: a new one counts as over its limit
inline constexpr std::size_t agents_remembered = 1'024;      // whose last refusals are kept; the oldest goes
inline constexpr std::size_t refusals_remembered = 20;       // of one agent
inline constexpr std::size_t refusal_text_remembered = 400;  // bytes of a refused command
inline constexpr std::size_t control_clients = 64;
inline constexpr std::size_t control_message = 4 * MiB;
inline constexpr std::size_t control_clients_per_user = 16;     // of control_clients, but for root; one more is turned away
inline constexpr std::size_t control_clients_for_root = 8;      // of control_clients
inline constexpr std::size_t control_clients_for_console = 72;  // beside control_clients
inline constexpr std::size_t control_depth = 64;                // nesting of a request's JSON
inline constexpr auto control_idle_timeout = 60s;               // between two requests
inline constexpr auto control_transfer_timeout = 10s;           // for a whole request to come, or an answer's line to go
inline constexpr std::size_t hold_shown_size = 3 * MiB;  // of a hold as JSON; larger: denied, it cannot be shown whole
inline constexpr std::size_t hold_reason = 4 * KiB;      // what a reviewer gives as the reason
inline constexpr auto ended_holds_kept = 24h * 30;       // then the log alone has them
inline constexpr std::size_t holds_listed = 10'000;      // of `assent holds --all`, the newest
inline constexpr std::size_t watch_queue = 16 * 1024;    // changes that a watcher has not read; full: it is ended

// The console: requests that have no room get 503, too many of one session or address 429.
inline constexpr std::size_t console_connections = 64;          // answered at once, each by a thread
inline constexpr std::size_t console_connections_waiting = 64;  // for one of these; more are closed
inline constexpr std::size_t console_streams = 40;              // events that are sent as they come, of console_connections
inline constexpr std::size_t console_streams_per_session = 6;
inline constexpr std::size_t console_sessions = 1'000;
inline constexpr std::size_t console_sessions_per_person = 16;  // one more ends the one that was unused longest
inline constexpr std::size_t console_sign_ins = 1'000;          // begun and not finished; one more forgets the oldest
inline constexpr auto console_sign_in_timeout = 10min;
inline constexpr auto console_renewed_before = 60s;              // an ID token expires; or half its time, where that is less
inline constexpr auto console_renewed_at_most_every = 5s;        // of one session
inline constexpr auto console_renewed_again_after = 10s;         // when the provider did not answer
inline constexpr auto console_renewal_waited_for = 5s;           // by requests of a session whose token has expired
inline constexpr std::size_t console_body = 2 * MiB + 64 * KiB;  // of a request: a statement, escaped, to be explained
// By one connection, whatever it is: the HTTP library bounds bodies and lines, and not how many headers come. Then it is
// cut.
inline constexpr std::size_t console_received = 4 * MiB;
inline constexpr std::size_t console_listed = 2'000;            // holds or sessions of one answer
inline constexpr std::size_t console_replay = 5'000;            // records of one answer
inline constexpr std::size_t console_requests_per_second = 20;  // of one session or token, after a burst of
inline constexpr std::size_t console_requests_at_once = 120;
inline constexpr std::size_t console_sign_ins_per_minute = 30;  // of one address
inline constexpr std::size_t console_addresses = 10'000;        // whose requests are counted; full: all count as one
inline constexpr auto console_transfer_timeout = 10s;           // for a request to come, and for a part of an answer to go
inline constexpr auto console_keep_alive = 5s;                  // an unused connection holds a thread
inline constexpr auto console_heartbeat = 15s;                  // of a stream that has nothing to say
inline constexpr std::size_t api_tokens = 1'000;

// Notices. One that has no room is dropped, counted, and told of in `status`.
inline constexpr std::size_t notice_channels = 16;
inline constexpr std::size_t notice_recipients = 50;
inline constexpr std::size_t notice_queue = 1'000;      // of one channel
inline constexpr std::size_t notice_attempts = 8;       // then it is given up
inline constexpr auto notice_first_pause = 1s;          // doubled after each attempt,
inline constexpr auto notice_longest_pause = 5min;      // up to this
inline constexpr auto notice_timeout = 15s;             // for one delivery
inline constexpr std::size_t notice_answer = 16 * KiB;  // of a webhook; the rest is not read

// The kernel side. A full cache is emptied; over the others new names, runs and watches are refused.
inline constexpr std::size_t events_at_once = 256;  // of the kernel; then what is governed is looked after
inline constexpr std::size_t identity_cache_entries = 4096;
inline constexpr std::size_t runs = 10'000;
inline constexpr std::size_t watched_cgroups = 4096;
inline constexpr std::size_t processes_searched = 100'000;  // of a unit or host, for sockets that were there before
inline constexpr std::size_t sockets_searched = 100'000;    // of one process
inline constexpr std::size_t sockets_told = 4096;  // of those that were there before; over it they are ended and not told
inline constexpr std::size_t gate_globs = 64;      // parts of patterns that new cgroups are known by; more are refused
// Other network namespaces that the daemon listens in; in one more agents get EPERM, and that is recorded.
inline constexpr std::size_t networks = 256;
inline constexpr std::size_t networks_per_agent = 32;
inline constexpr std::size_t networks_opened_per_second = 32;  // more wait for the next second
inline constexpr std::size_t network_threads = 20'000;         // looked at in a second; of more no namespace is left again
inline constexpr auto network_unused = 5s;                     // without a process of an agent; then it is left
inline constexpr auto network_refused = 5s;                    // before one that could not be listened in is tried again
inline constexpr std::size_t processes_judged = 10'000;        // by `assent doctor`; it does not look at more

// Lookups of names. What has no room is answered with SERVFAIL, unless it says otherwise.
inline constexpr std::size_t dns_records = 256;        // of one answer; the names of a longer one are not learned
inline constexpr std::size_t dns_pointers = 64;        // followed while reading one name
inline constexpr std::size_t dns_message = 65'535;     // over TCP
inline constexpr std::size_t dns_datagram = 4096;      // of an answer over UDP, whatever the agent offers
inline constexpr std::size_t dns_own_datagram = 1232;  // what an answer of our own says that we take
inline constexpr std::size_t dns_outstanding = 512;    // questions that wait for the host's resolvers
inline constexpr std::size_t dns_outstanding_per_agent = 64;
inline constexpr std::size_t dns_clients = 256;  // connections; one more is closed
inline constexpr std::size_t dns_clients_per_agent = 16;
inline constexpr std::size_t dns_client_outstanding = 16;     // questions of one connection; then it is not read
inline constexpr std::size_t dns_client_output = 256 * KiB;   // answers that a connection does not read; then it is not read
inline constexpr std::size_t dns_queries_per_second = 5'000;  // of one agent; more are dropped, and counted
inline constexpr int dns_receive_buffer = 1 * MiB;            // of each port; full: the kernel drops, and agents ask again
inline constexpr std::size_t dns_agents = 4'096;            // whose names and budgets are kept; of more nothing is passed on
inline constexpr std::size_t dns_names_per_agent = 20'000;  // in an hour, the most that settings may say
inline constexpr std::size_t dns_resolvers = 8;             // more of the host's are not asked
inline constexpr auto dns_attempt_timeout = 1500ms;         // for one resolver to answer; then the next one is asked
inline constexpr auto dns_timeout = 4500ms;                 // for any of them; glibc asks again after 5 s
inline constexpr auto dns_client_idle_timeout = 15s;
inline constexpr std::size_t learned_names = 4'096;            // of the daemon's own look-ups
inline constexpr std::size_t learned_names_per_agent = 1'024;  // the one that expires first goes
inline constexpr std::size_t addresses_per_name = 64;

// Tokens, and the providers that issue them. A token that is larger, deeper or has more is refused.
inline constexpr std::size_t token_size = 16 * KiB;  // as it is sent
inline constexpr std::size_t token_depth = 16;       // nesting of its JSON
inline constexpr std::size_t token_audiences = 64;
inline constexpr std::size_t token_actors = 8;          // the `act` chain
inline constexpr std::size_t token_claims = 512;        // names and values that rules can ask for
inline constexpr std::size_t token_name = 256;          // bytes of a subject, a name, a group, a key's id
inline constexpr auto token_clock_skew_most = 5min;     // that settings may say
inline constexpr std::size_t identity_issuers = 16;     // in the settings
inline constexpr std::size_t bound_tokens = 10'000;     // cgroups with a token; one more is refused
inline constexpr auto token_file_look = 1s;             // between two looks whether a token's file has changed
inline constexpr auto token_retry = 10s;                // before a token that could not be verified is tried again
inline constexpr auto transaction_after_expiry = 5min;  // for one that was open when its agent's token expired
inline constexpr std::size_t provider_answer = 256 * KiB;
inline constexpr auto login_interval = 2s;                       // between two logins that one user begins
inline constexpr auto device_login = std::chrono::seconds(900);  // for a person to enter the code
inline constexpr std::size_t provider_keys = 64;                 // of one set; the rest is not looked at
inline constexpr auto provider_connect_timeout = 3s;
inline constexpr auto provider_timeout = 10s;             // for a whole answer
inline constexpr auto provider_keys_fresh_least = 1min;   // whatever Cache-Control says
inline constexpr auto provider_keys_fresh_usual = 10min;  // when it says nothing
inline constexpr auto provider_keys_fresh_most = 1h;
inline constexpr auto provider_keys_kept = 12h;         // since they were fetched, while the provider does not answer
inline constexpr std::size_t provider_asks = 3;         // for keys, whatever tokens with unknown ones come; and then
inline constexpr auto provider_refetch_interval = 10s;  // one in this time
inline constexpr std::size_t rsa_bits_least = 2048;
inline constexpr std::size_t rsa_bits_most = 8192;

// Policies and settings.
inline constexpr std::size_t policy_file_size = 4 * MiB;
inline constexpr std::size_t policy_files = 1'000;
inline constexpr std::size_t yaml_depth = 64;
inline constexpr std::size_t policy_mistakes = 500;  // shown of one load; the rest is dropped
inline constexpr std::size_t secret_size = 4 * KiB;  // a password file

static_assert(output_low_water < output_high_water && output_high_water < output_maximum);
static_assert(message_size < output_maximum);
static_assert(statement_size < message_size);
static_assert(hold_shown_size < control_message);
static_assert(console_streams < console_connections);
static_assert(console_body < console_received);
static_assert(record_body_text * 2 + record_body_result + record_members < record_lane_bytes,
              "a command's record fits its lane");
static_assert(first_bytes_timeout < startup_timeout);
static_assert(dns_attempt_timeout < dns_timeout);
static_assert(provider_keys_fresh_least < provider_keys_fresh_most && provider_keys_fresh_most < provider_keys_kept);
static_assert(provider_connect_timeout < provider_timeout && secret_size < token_size);
static_assert(dns_outstanding_per_agent < dns_outstanding && dns_clients_per_agent < dns_clients);
static_assert(records_kept_of_refusals < records_kept);
static_assert(record_body_policy < record_frame && record_members * 2 < record_frame);

// An upgrade of the daemon.
inline constexpr auto upgrade_drain = 30s;          // for sessions that are open when it begins
inline constexpr auto upgrade_drain_maximum = 1h;   // that may be asked for
inline constexpr auto upgrade_pause = 2s;           // for sessions that came during the drain, while nothing is accepted
inline constexpr auto upgrade_check_timeout = 30s;  // for the new program to read the settings and try the kernel
inline constexpr std::size_t handed_over_sockets = 16 * 1024;

}  // namespace assent::limits
