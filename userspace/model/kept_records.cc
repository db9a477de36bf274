#include "model/kept_records.h"

#include "base/json_writer.h"

namespace assent::model {

std::size_t KeptRecords::size_of(const Kept& kept) {
    std::size_t size = sizeof(Kept) + kept.type.size() + kept.session.size() + kept.members.size();
    for (const auto& [name, bytes] : kept.bodies) size += name.size() + bytes.size();
    return size;
}

void KeptRecords::keep(Kept kept) {
    if (is_over_limit()) kept.bodies.clear();
    const bool is_end = kept.type == record_type::flow_closed || kept.type == record_type::hold_ended;
    if (size_bytes_ / 2 > limit_bytes_ && !is_end) {
        ++left_out_;
        return;
    }
    size_bytes_ += size_of(kept);
    records_.push_back(std::move(kept));
}

void KeptRecords::add(const RecordDraft& draft, WallTime now, bool with_bodies) {
    Kept kept{std::string(draft.type),
              std::string(draft.session),
              std::string(draft.members),
              {},
              draft.when == WallTime{} ? now : draft.when};
    if (with_bodies) {
        for (const RecordBody& body : draft.bodies) kept.bodies.emplace_back(body.name, as_text(body.bytes));
    }
    keep(std::move(kept));
}

void KeptRecords::take(KeptRecords&& other) {
    for (Kept& kept : other.records_) keep(std::move(kept));
    left_out_ += other.left_out_;
    other.records_.clear();
    other.size_bytes_ = 0;
    other.left_out_ = 0;
}

Result<RecordTicket> KeptRecords::give(RecordSink& sink, const Kept& kept) {
    std::vector<RecordBody> bodies;
    for (const auto& [name, bytes] : kept.bodies) bodies.push_back({name, as_bytes(bytes)});
    return sink.append({kept.type, kept.session, kept.members, bodies, false, kept.when});
}

bool KeptRecords::retry(RecordSink& sink) {
    while (!records_.empty()) {
        const Kept& kept = records_.front();
        auto given = give(sink, kept);
        if (!given && given.error().code == Errc::invalid) {
            // No waiting mends it, and what is behind it must not wait for ever.
            std::string members;
            JsonWriter(members).member("unrecorded", given.error().message);
            given = give(sink, Kept{kept.type, kept.session, std::move(members), {}, kept.when});
        }
        if (!given) return false;
        size_bytes_ -= size_of(kept);
        records_.pop_front();
    }
    if (left_out_ == 0) return true;
    std::string members;
    JsonWriter(members)
        .member("what", "records")
        .member("why", "more happened while records could not be written than is kept in memory")
        .member("left_out", left_out_);
    if (!sink.append({record_type::degraded, {}, members, {}, false})) return false;
    left_out_ = 0;
    return true;
}

}  // namespace assent::model
