// Both sides of a PostgreSQL session say anything, in any order and at any cut, and the host rules at random. Whatever
// comes: no crash, nothing after close, no command sent that was not forwarded, and each id ends at most once.
//
// The input is a list of steps: a byte that says what happens, a byte of length for bytes of a side, the bytes.
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "base/cursor.h"
#include "support/postgres_messages.h"
#include "wire/postgres/postgres.h"

namespace {

using namespace assent;
using namespace assent::wire;

void must(bool holds) {
    if (!holds) std::abort();
}

class FuzzHost final : public Host {
public:
    explicit FuzzHost(Cursor& choices) : choices_(choices) {}

    void send(Side side, Bytes bytes) override {
        must(!is_closed);
        if (side == Side::target) check_commands(bytes);
    }
    Ruling rule(const CommandSeen& command) override {
        must(!is_closed && command.id != 0);
        Ruling ruling;
        const unsigned choice = choices_.u8();
        switch (choice % 5) {
            case 0:
                break;
            case 1:
                if (command.can_ask) {
                    ruling.action = Ruling::Action::ask;
                    ruling.question = sql::Question{.sql = "ASKED", .parameters = {"x"}};
                    ruling.question->may_fail = (choice & 0x40U) != 0;
                    return ruling;
                }
                break;
            case 2:
                ruling.action = Ruling::Action::wait;
                return ruling;
            default:
                ruling.action = Ruling::Action::forward;
                break;
        }
        ruled.insert(command.id);
        const bool has_text = command.kind == CommandKind::query || command.kind == CommandKind::parse;
        if (ruling.action == Ruling::Action::forward && has_text) forwarded_texts.insert(std::string(command.text));
        if ((choice & 0x40U) != 0) ruling.masks = masks();
        if ((choice & 0x20U) != 0) ruling.copies = copies(choice);
        ruling.recorded_result_bytes = choice;
        ruling.forgets_names = choice == 0xff;
        return ruling;
    }
    void answered(std::vector<sql::Row>) override {}
    void result_seen(CommandId id, Bytes bytes) override {
        results[id] += bytes.size();
        must(results[id] <= 0xff);
    }
    void finished(const Outcome& outcome) override { must(ended.insert(outcome.id).second); }
    void connect_target() override { must_connect = true; }
    void start_tls(Side side) override { tls[side == Side::agent ? 0 : 1] = true; }
    std::optional<sql::Question> ready() override {
        if (choices_.u8() % 2 == 0) return std::nullopt;
        return sql::Question{.sql = "ASKED", .parameters = {}};
    }
    std::uint32_t backend_key(std::uint32_t, std::uint32_t secret) override { return ~secret; }
    void cancel_requested(std::uint32_t, std::uint32_t) override {}
    void authenticated(std::string_view) override {}
    void setting_changed(std::string_view, std::string_view) override {}
    void transaction_status(char) override {}
    void statement_closed(std::string_view) override {}
    void portal_closed(std::string_view) override {}
    void close(std::string why, bool) override {
        must(!is_closed && !why.empty());
        is_closed = true;
    }

    bool is_closed = false;
    bool must_connect = false;
    bool tls[2] = {false, false};
    std::set<CommandId> ruled;
    std::set<CommandId> ended;
    std::set<std::string> forwarded_texts;
    std::map<CommandId, std::size_t> results;

private:
    static std::shared_ptr<const std::vector<model::ResultMasks>> masks() {
        static const auto plan = [] {
            auto made = std::make_shared<std::vector<model::ResultMasks>>(2);
            (*made)[0].columns = {{.method = {.kind = model::MaskKind::redact}, .masks = {}}, {}};
            (*made)[1].strips_error_detail = true;
            return made;
        }();
        return plan;
    }
    static std::shared_ptr<const std::vector<model::CopyLayout>> copies(unsigned choice) {
        auto made = std::make_shared<std::vector<model::CopyLayout>>(2);
        model::CopyLayout& layout = made->front();
        layout.format = static_cast<model::CopyFormat>(1 + (choice >> 3U) % 3);
        layout.types = {25, 25};
        layout.has_header = choice % 2 == 0;
        layout.delimiter = choice % 3 == 0 ? '|' : '\t';
        layout.escape = choice % 3 == 1 ? 'x' : '"';
        layout.quotes_all = choice % 4 == 0;
        if (layout.format == model::CopyFormat::csv) layout.null = choice % 5 == 0 ? "NULL" : "";
        return made;
    }
    // What is sent to the target is a stream of whole messages but for CopyData, so simple queries can be picked out.
    void check_commands(Bytes bytes) {
        to_target_ += as_text(bytes);
        if (!is_past_startup_) {
            if (to_target_.size() < 4) return;
            const std::size_t size = Cursor(as_bytes(to_target_)).u32();
            if (to_target_.size() < size) return;
            is_past_startup_ = size != 8;  // 8: the request for TLS
            to_target_.erase(0, size);
        }
        while (to_target_.size() >= 5) {
            const std::size_t size = 1 + std::size_t{Cursor(as_bytes(to_target_).subspan(1)).u32()};
            if (to_target_.size() < size) return;
            Cursor message(as_bytes(to_target_).first(size));
            message.bytes(5);
            if (to_target_[0] == 'Q') check_text(message.c_string());
            if (to_target_[0] == 'P') {
                message.c_string();
                check_text(message.c_string());
            }
            to_target_.erase(0, size);
        }
    }

    void check_text(std::string_view text) const {
        const bool is_own = text == "assent refused this command" || text == "ASKED" || text == "BEGIN READ ONLY" ||
                            text == "ROLLBACK" || text.find("SAVEPOINT \"assent question\"") != std::string_view::npos ||
                            text.find("pg_catalog.set_config('lock_timeout'") != std::string_view::npos;
        must(is_own || forwarded_texts.contains(std::string(text)));
    }

    Cursor& choices_;
    std::string to_target_;
    bool is_past_startup_ = false;
};

void offer(Adapter& adapter, FuzzHost& host, Side side, std::string& rest) {
    if (rest.empty() || host.is_closed) return;
    const std::size_t taken = adapter.received(side, as_bytes(rest));
    must(taken <= rest.size());
    rest.erase(0, taken);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Cursor input(std::as_bytes(std::span(data, size)));
    postgres::Options options;
    const unsigned flags = input.u8();
    options.offers_tls = (flags & 1U) != 0;
    options.target_tls = (flags & 2U) != 0 ? TlsUse::required : TlsUse::none;
    options.has_credential = (flags & 4U) != 0;
    options.user = "app";
    options.password = "secret";
    options.may_send_clear_password = (flags & 8U) != 0;
    Cursor choices(input.bytes(input.u8()));
    FuzzHost host(choices);
    const auto adapter = postgres::make_adapter(options, host);
    std::string rest[2];
    if ((flags & 16U) != 0) {  // straight to the commands
        host.forwarded_texts.clear();
        rest[0] = test::startup();
    }
    while (!host.is_closed && !input.at_end()) {
        const unsigned step = input.u8();
        switch (step & 7U) {
            case 0:
            case 1:
            case 2:
                rest[0] += as_text(input.bytes(std::min<std::size_t>(input.u8(), input.remaining())));
                break;
            case 3:
            case 4:
            case 5:
                rest[1] += as_text(input.bytes(std::min<std::size_t>(input.u8(), input.remaining())));
                break;
            case 6:
                if ((step & 8U) != 0) adapter->proceed();
                if ((step & 16U) != 0) adapter->notice({.code = "01000", .message = "note", .detail = "", .hint = ""});
                if ((step & 0xe0U) == 0xe0U)
                    adapter->terminate({.code = "57P01", .message = "end", .detail = "", .hint = ""});
                break;
            default:
                if ((step & 0xf8U) == 0xf8U) adapter->closed(Side::agent);
                if ((step & 0xf8U) == 0xf0U) adapter->closed(Side::target);
                break;
        }
        if (std::exchange(host.must_connect, false) && !host.is_closed) {
            adapter->target_connected();
            if ((flags & 16U) != 0) rest[1] += test::auth(0) + test::ready();
        }
        for (const Side side : {Side::agent, Side::target}) {
            const std::size_t i = side == Side::agent ? 0 : 1;
            if (std::exchange(host.tls[i], false) && !host.is_closed) adapter->tls_ready(side);
            offer(*adapter, host, side, rest[i]);
        }
    }
    for (const CommandId id : host.ended) must(id != 0);
    return 0;
}
