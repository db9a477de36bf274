// Scripts for adapters: what the agent and the server say, and what must come of it. A script is run with the bytes in one
// piece, cut in two at every place, and one by one: the calls and the bytes must always be the same.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "support/postgres_messages.h"
#include "wire/detect/detect.h"
#include "wire/postgres/postgres.h"

namespace assent::test {

using wire::CommandKind;
using wire::CommandSeen;
using wire::Ruling;
using wire::Side;

inline Ruling ruled(Ruling::Action action) {
    Ruling ruling;
    ruling.action = action;
    return ruling;
}
inline Ruling forwarded() { return ruled(Ruling::Action::forward); }
inline Ruling refused(std::string text = "assent: no") {
    Ruling ruling;
    ruling.refusal = {.code = "42501", .message = std::move(text), .detail = "", .hint = ""};
    return ruling;
}
inline Ruling asking(std::string sql, std::vector<std::string> parameters = {}) {
    Ruling ruling = ruled(Ruling::Action::ask);
    ruling.question = sql::Question{.sql = std::move(sql), .parameters = std::move(parameters)};
    return ruling;
}

class Playbook {
public:
    struct Settings {
        wire::postgres::Options options;
        // By the text of the command, in the order of its rulings; the last one stays. Nothing: forward.
        std::map<std::string, std::vector<Ruling>> rulings;
        std::optional<sql::Question> ready_question;
        bool shows_executes = false;
        bool is_detected = false;  // the protocol is found out by the first bytes, as at an unlisted target
    };

    Playbook() = default;
    explicit Playbook(Settings settings) : settings_(std::move(settings)) {}

    Playbook& agent(std::string bytes) { return step({Kind::bytes, Side::agent, std::move(bytes)}); }
    Playbook& server(std::string bytes) { return step({Kind::bytes, Side::target, std::move(bytes)}); }
    Playbook& proceed() { return step({Kind::proceed, Side::agent, ""}); }
    Playbook& notice(std::string text) { return step({Kind::notice, Side::agent, std::move(text)}); }
    Playbook& terminate(std::string text) { return step({Kind::terminate, Side::agent, std::move(text)}); }
    Playbook& leaves(Side side) { return step({Kind::closed, side, ""}); }
    Playbook& tls_ready(Side side) { return step({Kind::tls_ready, side, ""}); }
    Playbook& connected() { return step({Kind::connected, Side::target, ""}); }
    // The start-up that most scripts begin with; what comes of it is not shown.
    Playbook& opened() {
        agent(startup()).connected().server(auth(0) + key(7, 8) + ready());
        shown_from_ = steps_.size();
        return *this;
    }

    // Runs at every cut; `expected` has one line a call or a run of bytes.
    void becomes(const std::string& expected) const {
        const std::string whole = run({});
        EXPECT_EQ(without_runs_of_dots(whole), without_runs_of_dots(expected));
        std::size_t total = 0;
        for (const auto& s : steps_) total += s.text.size();
        for (std::size_t cut = 1; cut < total; ++cut) {
            const std::string result = run([cut](std::size_t at) { return at == cut; });
            ASSERT_EQ(result, whole) << "cut at " << cut;
        }
        ASSERT_EQ(run([](std::size_t) { return true; }), whole) << "byte by byte";
    }

    [[nodiscard]] std::string outcome() const { return run({}); }

private:
    enum class Kind { bytes, proceed, notice, terminate, closed, tls_ready, connected };
    struct Step {
        Kind kind;
        Side side;
        std::string text;
    };
    using IsCut = std::function<bool(std::size_t)>;

    class Run final : public wire::Host {
    public:
        Run(const Settings& settings)
            : settings_(settings),
              adapter_(settings.is_detected ? wire::detect::make_adapter(*this)
                                            : wire::postgres::make_adapter(settings.options, *this)) {}

        void play(const Step& step, std::size_t& at, const IsCut& is_cut) {
            if (step.kind == Kind::bytes) {
                std::string piece;
                for (const char c : step.text) {
                    piece += c;
                    ++at;
                    if (is_cut && is_cut(at)) give(step.side, std::exchange(piece, ""));
                }
                give(step.side, piece);
            } else {
                call(step);
            }
            offer();
            show_bytes();
        }
        std::string lines;

    private:
        void give(Side side, const std::string& bytes) {
            rest_[index(side)] += bytes;
            offer();
        }
        void offer() {
            for (bool has_moved = true; has_moved;) {
                has_moved = false;
                for (const Side side : {Side::agent, Side::target}) {
                    std::string& rest = rest_[index(side)];
                    if (rest.empty() || is_closed_) continue;
                    const std::size_t taken = adapter_->received(side, as_bytes(rest));
                    ASSERT_LE(taken, rest.size());
                    rest.erase(0, taken);
                    has_moved = has_moved || taken > 0;
                }
            }
        }
        void call(const Step& step) {
            const wire::Refusal words = {.code = "01000", .message = step.text, .detail = "", .hint = ""};
            switch (step.kind) {
                case Kind::proceed:
                    adapter_->proceed();
                    break;
                case Kind::notice:
                    adapter_->notice(words);
                    break;
                case Kind::terminate:
                    adapter_->terminate(words);
                    break;
                case Kind::closed:
                    adapter_->closed(step.side);
                    break;
                case Kind::tls_ready:
                    adapter_->tls_ready(step.side);
                    break;
                case Kind::connected:
                    adapter_->target_connected();
                    break;
                case Kind::bytes:
                    break;
            }
        }
        void show_bytes() {
            for (const Side side : {Side::target, Side::agent}) {
                const std::string bytes = std::exchange(sent_[index(side)], "");
                if (!bytes.empty()) line(std::string(side == Side::agent ? "agent  < " : "server < ") + shown(bytes));
            }
        }
        void line(const std::string& text) { lines += text + "\n"; }
        static std::size_t index(Side side) { return side == Side::agent ? 0 : 1; }

        void send(Side side, Bytes bytes) override {
            EXPECT_FALSE(is_closed_);
            sent_[index(side)] += as_text(bytes);
        }
        Ruling rule(const CommandSeen& seen) override {
            static constexpr std::array names = {"startup", "query", "parse", "bind", "execute", "function_call"};
            std::string text = std::string(names[static_cast<std::size_t>(seen.kind)]) + " " + std::to_string(seen.id) +
                               " [" + std::string(seen.text) + "]";
            if (seen.kind == CommandKind::startup) {
                text += " " + std::string(seen.user) + "@" + std::string(seen.database);
                for (const auto& [name, value] : seen.options) text += " " + name + "=" + value;
            }
            for (const auto& parameter : seen.parameters)
                text += parameter.is_null ? " NULL" : " '" + std::string(as_text(parameter.value)) + "'";
            if (!seen.can_ask && seen.kind != CommandKind::startup) text += " cannot ask";
            if (seen.kind != CommandKind::execute || settings_.shows_executes) line(text);
            const auto it = settings_.rulings.find(std::string(seen.text));
            if (it == settings_.rulings.end() || (seen.kind == CommandKind::execute && !settings_.shows_executes))
                return forwarded();
            std::size_t& turn = turns_[std::string(seen.text)];
            const Ruling& ruling = it->second[std::min(turn++, it->second.size() - 1)];
            return ruling;
        }
        void answered(std::vector<sql::Row> rows) override {
            std::string text = "answered";
            for (const auto& row : rows) {
                for (const auto& value : row) text += " " + value.value_or("NULL");
            }
            line(text);
        }
        void result_seen(wire::CommandId id, Bytes bytes) override { results_[id] += as_text(bytes); }
        void finished(const wire::Outcome& outcome) override {
            std::string text = "finished " + std::to_string(outcome.id) + " " +
                               (outcome.was_refused ? "refused "
                                : outcome.is_error  ? "failed "
                                                    : "");
            text += std::string(outcome.code) + (outcome.code.empty() ? "" : " ") + std::string(outcome.message) +
                    std::string(outcome.tag);
            if (outcome.rows > 0) text += " rows=" + std::to_string(outcome.rows);
            if (outcome.masked_fields > 0) text += " masked=" + std::to_string(outcome.masked_fields);
            line(text);
            if (results_.contains(outcome.id))
                line("result " + std::to_string(outcome.id) + " " + shown(results_[outcome.id]));
        }
        void connect_target() override { line("connect"); }
        void start_tls(Side side) override { line(std::string("start tls ") + (side == Side::agent ? "agent" : "target")); }
        std::optional<sql::Question> ready() override { return settings_.ready_question; }
        std::uint32_t backend_key(std::uint32_t /*process*/, std::uint32_t secret) override { return secret + 1; }
        void cancel_requested(std::uint32_t process, std::uint32_t secret) override {
            line("cancel " + std::to_string(process) + " " + std::to_string(secret));
        }
        void authenticated(std::string_view method) override { line("authenticated " + std::string(method)); }
        void setting_changed(std::string_view name, std::string_view value) override {
            line("setting " + std::string(name) + "=" + std::string(value));
        }
        void transaction_status(char status) override { line(std::string("status ") + status); }
        void statement_closed(std::string_view name) override { line("statement closed " + std::string(name)); }
        void portal_closed(std::string_view name) override { line("portal closed " + std::string(name)); }
        void close(std::string why, bool is_violation) override {
            EXPECT_FALSE(is_closed_);
            is_closed_ = true;
            show_bytes();
            line((is_violation ? "violation: " : "closed: ") + why);
        }

        const Settings& settings_;
        std::array<std::string, 2> rest_;
        std::array<std::string, 2> sent_;
        std::map<std::string, std::size_t> turns_;
        std::map<wire::CommandId, std::string> results_;
        bool is_closed_ = false;
        std::unique_ptr<wire::Adapter> adapter_;
    };

    Playbook& step(Step s) {
        steps_.push_back(std::move(s));
        return *this;
    }
    [[nodiscard]] std::string run(const IsCut& is_cut) const {
        Run running(settings_);
        std::size_t at = 0;
        for (std::size_t i = 0; i < steps_.size(); ++i) {
            if (i == shown_from_) running.lines.clear();
            running.play(steps_[i], at, is_cut);
        }
        return running.lines;
    }

    Settings settings_;
    std::vector<Step> steps_;
    std::size_t shown_from_ = 0;
};

}  // namespace assent::test
