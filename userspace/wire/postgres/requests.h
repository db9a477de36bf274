// What the server has been asked and has not answered yet, in order: each reply belongs to the front.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/mask.h"
#include "wire/adapter.h"
#include "wire/postgres/masking.h"
#include "wire/postgres/names.h"

namespace assent::wire::postgres {

inline constexpr std::size_t kept_text = 4096;  // strings of pooled objects that are longer are freed

inline void clear_text(std::string& text) {
    if (text.capacity() > kept_text) {
        text = std::string();
    } else {
        text.clear();
    }
}

// A prepared statement.
struct Statement {
    std::uint32_t uses = 0;
    std::string name;
    std::string text;
    std::vector<std::uint32_t> types;            // of parameters, as Parse declared them
    std::vector<std::uint32_t> described_types;  // as the server said, if it was asked
    bool is_known = true;                        // false: the name may mean something else by now
    std::uint64_t last_batch = 0;                // in which it was used last

    [[nodiscard]] std::size_t size() const { return text.size() + types.size() * sizeof(std::uint32_t); }
    void reset() {
        clear_text(name);
        clear_text(text);
        types.clear();
        described_types = {};
        is_known = true;
        last_batch = 0;
    }
};

// What was ruled of a command, as far as its results need it.
struct Plan {
    std::shared_ptr<const std::vector<model::ResultMasks>> masks;
    std::shared_ptr<const std::vector<model::CopyLayout>> copies;
    std::size_t recorded_bytes = 0;  // that the host still wants to see

    [[nodiscard]] bool has_masks() const { return masks != nullptr; }
    [[nodiscard]] bool strips_error_detail() const {
        if (masks == nullptr) return false;
        for (const auto& statement : *masks) {
            if (statement.strips_error_detail) return true;
        }
        return false;
    }
};

// One ruled command and how it goes: a query, a function call, a parse, or a portal from Bind to its end.
struct Command {
    std::uint32_t uses = 0;
    std::string name;  // of the portal
    bool is_known = true;
    CommandId id = 0;
    CommandKind kind = CommandKind::query;
    Ref<Statement> statement;
    Plan plan;
    std::vector<ColumnShape> shapes;
    bool is_described = false;  // assent has asked for the shapes
    bool has_shapes = false;    // a RowDescription has been seen for the statement that runs
    std::size_t statement_index = 0;
    std::uint64_t rows = 0;            // of the statements that are complete
    std::uint64_t statement_rows = 0;  // of the one that runs
    std::uint64_t bytes = 0;
    std::uint64_t masked_fields = 0;
    std::string tag;
    std::string code;
    std::string message;
    bool is_error = false;
    bool was_refused = false;
    bool is_finished = false;  // the host knows how it ended

    void reset() {
        clear_text(name);
        is_known = true;
        id = 0;
        kind = CommandKind::query;
        statement = {};
        plan = {};
        if (shapes.capacity() * sizeof(ColumnShape) > kept_text) shapes = {};
        shapes.clear();
        is_described = has_shapes = false;
        statement_index = 0;
        rows = statement_rows = bytes = masked_fields = 0;
        clear_text(tag);
        clear_text(code);
        clear_text(message);
        is_error = was_refused = is_finished = false;
    }
};

enum class RequestKind : std::uint8_t {
    query,
    parse,
    bind,
    describe_statement,
    describe_portal,
    execute,
    close_statement,
    close_portal,
    sync,
    function_call,
    copy_end,  // CopyDone or CopyFail sent before the server said that it copies: gets no reply of its own
};

// The one message that answers it when all goes well; 0: one of several, or none.
[[nodiscard]] constexpr char reply_to(RequestKind kind) {
    switch (kind) {
        case RequestKind::parse:
            return '1';
        case RequestKind::bind:
            return '2';
        case RequestKind::close_statement:
        case RequestKind::close_portal:
            return '3';
        case RequestKind::sync:
        case RequestKind::function_call:
            return 'Z';
        default:
            return 0;
    }
}

struct Request {
    RequestKind kind = RequestKind::sync;
    bool is_own = false;  // assent asked: the agent does not see the replies
    bool ends_question = false;
    // A Sync that the server ignored if it read it while copying, and answers otherwise.
    bool is_uncertain = false;
    std::unique_ptr<Refusal> refusal;  // of a refused command: what was sent in its place must fail
    Ref<Statement> statement;
    Ref<Command> command;

    [[nodiscard]] bool is_refused() const { return refusal != nullptr; }
};

// A ring that grows to its largest use and never allocates after that.
class RequestQueue {
public:
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] std::size_t size() const { return size_; }
    Request& operator[](std::size_t index) { return slots_[(first_ + index) & (slots_.size() - 1)]; }
    Request& front() { return (*this)[0]; }

    Request& push(RequestKind kind) {
        if (size_ == slots_.size()) grow();
        Request& request = (*this)[size_++];
        request = Request{};
        request.kind = kind;
        return request;
    }
    void pop() {
        front() = Request{};
        first_ = (first_ + 1) & (slots_.size() - 1);
        if (--size_ == 0 && slots_.size() > kept_slots) {
            slots_ = std::vector<Request>();
            first_ = 0;
        }
    }
    void erase(std::size_t index) {
        for (; index > 0; --index) (*this)[index] = std::move((*this)[index - 1]);
        pop();
    }

private:
    static constexpr std::size_t first_slots = 8;
    static constexpr std::size_t kept_slots = 64;

    void grow() {
        std::vector<Request> larger(slots_.empty() ? first_slots : slots_.size() * 2);
        for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
        slots_ = std::move(larger);
        first_ = 0;
    }

    std::vector<Request> slots_;  // a power of two, or none
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace assent::wire::postgres
