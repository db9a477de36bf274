// Rows, copies and how a command ends.
#include <charconv>

#include "base/cursor.h"
#include "wire/postgres/conversation.h"

namespace assent::wire::postgres {
namespace {

// The last word of "SELECT 5", "INSERT 0 3"; 0 where it is no number.
std::uint64_t rows_of_tag(std::string_view tag) {
    const std::size_t space = tag.rfind(' ');
    if (space == std::string_view::npos) return 0;
    std::uint64_t rows = 0;
    std::from_chars(tag.data() + space + 1, tag.data() + tag.size(), rows);
    return rows;
}

const model::ResultMasks& masks_of_the_unplanned() {
    static const model::ResultMasks masks = {.columns = {},
                                             .covers_all_columns = true,
                                             .otherwise = {.method = {.kind = model::MaskKind::null}, .masks = {}},
                                             .strips_error_detail = true};
    return masks;
}

// Would a row of so many columns be changed. Nothing: the count is not known.
bool masks_anything(const model::ResultMasks& masks, std::optional<std::size_t> column_count) {
    if (masks.covers_all_columns) return true;
    if (masks.columns.empty()) return masks.otherwise.method.kind != model::MaskKind::none;
    if (column_count && *column_count != masks.columns.size()) return true;
    for (const auto& column : masks.columns) {
        if (column.method.kind != model::MaskKind::none) return true;
    }
    return false;
}

}  // namespace

const model::ResultMasks& Conversation::masks_of(const Command& command) const {
    const auto& masks = *command.plan.masks;
    return command.statement_index < masks.size() ? masks[command.statement_index] : masks_of_the_unplanned();
}

bool Conversation::masks_rows(const Command& command) const {
    if (!command.plan.has_masks()) return false;
    return masks_anything(masks_of(command), command.has_shapes ? std::optional(command.shapes.size()) : std::nullopt);
}

void Conversation::on_row_description(Request& front, Bytes message) {
    Command& command = *front.command;
    if (command.plan.has_masks()) {
        if (!read_row_description(message, command.shapes)) {
            target_broke("sent a malformed description of rows");
            return;
        }
        command.has_shapes = true;
    }
    if (command.plan.recorded_bytes > 0) show_result(command, message);
    pass_to_agent(message);
}

void Conversation::on_masked_row(Command& command, Bytes message) {
    ByteVector& out = to_agent_.writing();
    const std::size_t start = out.size();
    const std::int64_t masked = mask_row(message, masks_of(command), command.shapes, options_.mask_key, out);
    if (masked < 0) {
        out.resize(start);
        target_broke("sent a malformed row");
        return;
    }
    ++command.statement_rows;
    command.masked_fields += static_cast<std::uint64_t>(masked);
    command.bytes += out.size() - start;
    if (command.plan.recorded_bytes > 0) show_result(command, Bytes(out).subspan(start));
    to_agent_.wrote();
    if (!notices_.empty()) flush_notices();
}

void Conversation::on_complete(Request& front, char type, Bytes message) {
    Command& command = *front.command;
    Cursor cursor(message);
    cursor.bytes(header_size);
    command.tag = type == 'C' ? cursor.c_string() : std::string_view();
    if (!cursor.finished()) {
        target_broke("sent a malformed end of a command");
        return;
    }
    if (command.tag == "DECLARE CURSOR" || command.tag == "PREPARE") {
        // A name that was made through the protocol may have been given away before: do not rely on any.
        if (command.tag == "PREPARE") {
            statements_.distrust_all();
        } else {
            portals_.distrust_all();
        }
    }
    command.rows += std::max(command.statement_rows, rows_of_tag(command.tag));
    command.statement_rows = 0;
    if (command.plan.has_masks() && command.plan.strips_error_detail()) strips_until_idle_ = true;
    copy_masker_.reset();
    is_copying_in_ = false;
    pass_to_agent(message);
    if (front.kind == RequestKind::query) {
        ++command.statement_index;
        command.has_shapes = false;
        command.shapes.clear();
        return;
    }
    finish(command);
    pop();
    // The server was asked to Sync while it copied, and ignored it.
    while (!requests_.empty() && requests_.front().is_uncertain) pop();
}

void Conversation::on_suspended(Command& command, Bytes message) {
    command.rows += command.statement_rows;
    command.statement_rows = 0;
    pass_to_agent(message);
    pop();
}

void Conversation::on_copy_begins(Request& front, char type, Bytes message) {
    Command& command = *front.command;
    Cursor cursor(message);
    cursor.bytes(header_size);
    const bool is_binary = cursor.u8() == 1;
    const std::size_t columns = cursor.u16();
    if (cursor.bytes(columns * 2).size() != columns * 2 || !cursor.finished()) {
        target_broke("sent a malformed begin of a copy");
        return;
    }
    if (type != 'G' && command.plan.has_masks() && masks_anything(masks_of(command), columns)) {
        const auto* copies = command.plan.copies.get();
        const bool is_known = copies != nullptr && command.statement_index < copies->size();
        const model::CopyLayout layout = is_known ? (*copies)[command.statement_index] : model::CopyLayout();
        if (type != 'H' || !CopyMasker::can_mask(layout, is_binary)) {
            const std::string why = "rows of a copy in this format cannot be masked";
            end_session({.code = "0A000",
                         .message = "assent: " + why,
                         .detail = "cause=mask retry=never",
                         .hint = "Use COPY with its default options, or SELECT."},
                        why, false);
            return;
        }
        copy_masker_.emplace(layout, options_.mask_key);
    }
    if (type != 'H') {
        // What the agent sent ahead: a Sync is ignored by a server that copies, and the copy may have been ended already.
        bool has_ended = false;
        for (std::size_t i = 1; i < requests_.size() && !has_ended; ++i) {
            Request& request = requests_[i];
            if (request.kind == RequestKind::copy_end) {
                has_ended = true;
                requests_.erase(i);
            } else if (request.kind == RequestKind::sync && !request.is_own) {
                request.is_uncertain = true;
            } else {
                break;
            }
        }
        is_copying_in_ = !has_ended;
    }
    if (command.plan.recorded_bytes > 0) show_result(command, message);
    pass_to_agent(message);
}

void Conversation::on_masked_copy_data(Command& command, Bytes message) {
    ByteVector& out = to_agent_.writing();
    const std::size_t start = out.size();
    const std::int64_t masked = copy_masker_ ? copy_masker_->mask(message, masks_of(command), out) : -1;
    if (masked < 0) {
        out.resize(start);
        target_broke("sent a copy that cannot be read, and so cannot be masked");
        return;
    }
    command.masked_fields += static_cast<std::uint64_t>(masked);
    command.bytes += out.size() - start;
    if (command.plan.recorded_bytes > 0) show_result(command, Bytes(out).subspan(start));
    to_agent_.wrote();
    if (!notices_.empty()) flush_notices();
}

void Conversation::show_result(Command& command, Bytes bytes) {
    const Bytes shown = bytes.first(std::min(bytes.size(), command.plan.recorded_bytes));
    command.plan.recorded_bytes -= shown.size();
    host_.result_seen(command.id, shown);
}

void Conversation::finish(Command& command) {
    if (command.is_finished) return;
    command.is_finished = true;
    Outcome outcome;
    outcome.id = command.id;
    outcome.is_error = command.is_error;
    outcome.tag = command.tag;
    outcome.rows = command.rows + command.statement_rows;
    outcome.bytes = command.bytes;
    outcome.code = command.code;
    outcome.message = command.message;
    outcome.was_refused = command.was_refused;
    outcome.masked_fields = command.masked_fields;
    host_.finished(outcome);
}

// The transaction is over, and with it all portals.
void Conversation::finish_portals() {
    strips_until_idle_ = false;
    portals_.drop_confirmed([&](const Ref<Command>& portal) {
        finish(*portal);
        if (!portal->name.empty()) host_.portal_closed(portal->name);
    });
}

}  // namespace assent::wire::postgres
