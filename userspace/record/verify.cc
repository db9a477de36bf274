#include "record/verify.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/limits.h"
#include "record/checkpoint.h"
#include "record/encoding.h"
#include "record/files.h"
#include "record/leaf_check.h"
#include "record/segment.h"
#include "record/segment_reader.h"
#include "record/tree.h"

namespace assent::record {
namespace {

// What the tree has to be at one size, by a checkpoint that is not a frame of the log.
struct Promise {
    Checkpoint checkpoint;
    std::string source;
};

class Verifier {
public:
    Verifier(const VerifyOptions& options, Key key) : options_(options), key_(std::move(key)) {}

    Result<VerifyReport> run();

private:
    Result<> read_promises();
    Result<> walk(const std::vector<SegmentName>& segments);
    Result<> walk_pruned(const SegmentName& name, std::uint64_t end);
    Result<> walk_segment(const SegmentName& name, bool is_last);
    void load_hashes(const SegmentName& name);
    void see(const Frame& frame, bool is_first);
    void see_header(const Frame& frame, bool is_first);
    void see_leaf(std::string_view leaf);
    void see_checkpoint(std::string_view note);
    void wrong_order(const LeafStart& start);
    void damaged(const SegmentReader::Item& item, bool is_last);
    void add(const Digest& hash);
    void check_root(const Checkpoint& checkpoint, std::string_view source);
    void check_promises();
    void check_end();
    void say_what_is_open();
    void find(Wrong wrong, std::uint64_t seq, std::string detail);
    [[nodiscard]] bool is_done() const { return report_.finding.has_value(); }

    const VerifyOptions& options_;
    Key key_;
    VerifyReport report_;
    std::vector<Promise> promises_;  // by size; those that were checked are taken out
    bool has_folder_checkpoint_ = false;
    std::uint64_t folder_checkpoint_ = 0;  // the tree size of the folder's checkpoint
    std::uint64_t newest_frame_ = 0;       // of the newest checkpoint that is a frame
    std::string checkpoint_problem_;       // of the folder's checkpoint; told when nothing else is wrong
    LeafChecker leaf_checker_;

    Tree tree_;
    Tree claimed_;  // as tree_, but of the hashes files where they differ: tells an edited record from an edited checkpoint
    std::optional<Finding> differs_;  // the first leaf since the last checkpoint that differs from the hashes file
    std::uint64_t covered_ = 0;       // the tree size that a checkpoint confirmed last
    std::uint64_t pruned_end_ = 0;
    std::uint64_t told_pruned_before_ = 0;  // what a record says was pruned
    std::uint64_t pruned_before_ = 0;       // and a checkpoint confirms

    // Of the segment that is walked.
    std::string segment_;
    std::uint64_t first_ = 0;
    std::string hashes_;
    std::optional<SegmentReader> reader_;
    std::vector<BodySeen> bodies_;
    std::uint64_t record_offset_ = 0;  // of the first frame of the record that is read
    std::string last_time_;
    std::uint64_t all_bytes_ = 0;
    std::uint64_t done_bytes_ = 0;
};

void Verifier::find(Wrong wrong, std::uint64_t seq, std::string detail) {
    if (is_done()) return;
    report_.finding = Finding{wrong, seq, seq, last_time_, {}, segment_, record_offset_, std::move(detail)};
}

Result<> Verifier::read_promises() {
    const auto own = options_.folder / checkpoint_name;
    const auto note = read_small_file(own, limits::checkpoint_note);
    if (!note && note.error().code != Errc::not_found) return std::unexpected(note.error());
    has_folder_checkpoint_ = note.has_value();
    if (note) {
        auto checkpoint = open_checkpoint(*note, key_);
        if (checkpoint) {
            folder_checkpoint_ = checkpoint->size;
            promises_.push_back({std::move(*checkpoint), "the folder's checkpoint"});
        } else {
            checkpoint_problem_ = "the folder's checkpoint: " + checkpoint.error().message;
        }
    }
    if (options_.checkpoint) {
        const auto outside = read_small_file(*options_.checkpoint, limits::checkpoint_note);
        if (!outside) return std::unexpected(outside.error());
        auto checkpoint = open_checkpoint(*outside, key_);
        if (!checkpoint)
            return fail(Errc::invalid, fmt::format("{}: {}", options_.checkpoint->string(), checkpoint.error().message));
        promises_.push_back({std::move(*checkpoint), "the checkpoint in " + options_.checkpoint->filename().string()});
    }
    std::ranges::sort(promises_, {}, [](const Promise& promise) { return promise.checkpoint.size; });
    return {};
}

Result<VerifyReport> Verifier::run() {
    if (auto read = read_promises(); !read) return std::unexpected(read.error());
    const auto segments = list_segments(options_.folder);
    if (!segments) return std::unexpected(segments.error());
    for (const auto& name : *segments) {
        std::error_code error;
        const auto size = name.has_data ? std::filesystem::file_size(options_.folder / segment_file(name.first), error) : 0;
        if (!error) all_bytes_ += size;
    }
    check_promises();
    if (auto walked = walk(*segments); !walked) return std::unexpected(walked.error());
    report_.records = tree_.size();
    report_.root = to_base64(tree_.root());
    report_.covered_records = covered_;
    report_.size_bytes = done_bytes_;
    if (!is_done()) check_end();
    say_what_is_open();
    return report_;
}

Result<> Verifier::walk(const std::vector<SegmentName>& segments) {
    for (std::size_t i = 0; i < segments.size() && !is_done(); ++i) {
        const SegmentName& name = segments[i];
        segment_ = segment_file(name.first);
        record_offset_ = 0;
        if (name.first > tree_.size()) {
            find(Wrong::missing, tree_.size(),
                 fmt::format("records {} to {} are gone: no segment holds them", tree_.size(), name.first - 1));
        } else if (name.first < tree_.size()) {
            find(Wrong::reordered, name.first,
                 fmt::format("the segment begins with record {}, but the one before it ends with {}", name.first,
                             tree_.size() - 1));
        } else if (!name.has_data && report_.segments != 0) {
            find(Wrong::missing, name.first, "the segment is gone, and one before it is there: this is no pruning");
        } else if (!name.has_data) {
            if (i + 1 == segments.size())
                find(Wrong::missing, name.first, "the segment is gone, and nothing follows");
            else if (auto walked = walk_pruned(name, segments[i + 1].first); !walked)
                return walked;
        } else if (auto walked = walk_segment(name, i + 1 == segments.size()); !walked) {
            return walked;
        }
    }
    return {};
}

// Of a pruned segment only the leaf hashes are left: the tree goes through them.
Result<> Verifier::walk_pruned(const SegmentName& name, std::uint64_t end) {
    load_hashes(name);
    const std::uint64_t count = hashes_.size() / sizeof(Digest);
    if (count != end - name.first) {
        find(Wrong::missing, name.first,
             fmt::format("the segment was pruned, and its hashes are of {} records, not {}", count, end - name.first));
        return {};
    }
    first_ = name.first;
    for (std::uint64_t i = 0; i < count && !is_done(); ++i) {
        Digest hash;
        std::copy_n(as_bytes(hashes_).begin() + static_cast<std::ptrdiff_t>(i * hash.size()), hash.size(), hash.begin());
        add(hash);
    }
    pruned_end_ = end;
    report_.pruned_records = end;
    return {};
}

void Verifier::load_hashes(const SegmentName& name) {
    hashes_.clear();
    if (!name.has_hashes) return;
    auto text = read_small_file(options_.folder / segment_file(name.first, hashes_suffix), limits::segment_hashes);
    if (text)
        hashes_ = std::move(*text);
    else
        report_.notes.push_back(text.error().message);
}

Result<> Verifier::walk_segment(const SegmentName& name, bool is_last) {
    auto opened = SegmentReader::open(options_.folder / segment_);
    if (!opened && opened.error().code == Errc::malformed) {
        if (is_last && promises_.empty())
            report_.notes.push_back(opened.error().message);
        else
            find(Wrong::edited, name.first, opened.error().message);
        return {};
    }
    if (!opened) return std::unexpected(opened.error());
    reader_ = std::move(*opened);
    load_hashes(name);
    first_ = name.first;
    bodies_.clear();
    bool is_first = true;
    bool begins_record = true;
    const std::uint64_t before_bytes = done_bytes_;
    std::uint64_t told = 0;
    while (!is_done()) {
        const auto item = reader_->next();
        if (!item) return std::unexpected(item.error());
        if (begins_record) record_offset_ = item->offset;
        if (item->is_end) break;
        if (item->frame.fault != FrameFault::none) {
            damaged(*item, is_last);
            break;
        }
        see(item->frame, is_first);
        is_first = false;
        begins_record = item->frame.kind != FrameKind::body && item->frame.kind != FrameKind::erased;
        done_bytes_ = before_bytes + reader_->offset();
        if (options_.progress && (done_bytes_ >> 20U) != told) {
            told = done_bytes_ >> 20U;
            options_.progress(done_bytes_, all_bytes_);
        }
    }
    ++report_.segments;
    if (is_done()) return {};
    if (is_first && !is_last) find(Wrong::edited, name.first, "the segment has no header");
    if (!bodies_.empty() && is_last)
        report_.notes.push_back(fmt::format("{} ends with bodies whose record was not finished", segment_));
    else if (!bodies_.empty())
        find(Wrong::missing, tree_.size(), "bodies stand at the end of the segment, and their record does not");
    return {};
}

void Verifier::see(const Frame& frame, bool is_first) {
    if (is_first || frame.kind == FrameKind::header) return see_header(frame, is_first);
    switch (frame.kind) {
        case FrameKind::body:
            bodies_.push_back({body_hash(frame.payload), frame.payload.size(), false});
            break;
        case FrameKind::erased:
            if (std::ranges::any_of(frame.payload, [](std::byte byte) { return byte != std::byte{0}; }))
                return find(Wrong::edited, tree_.size(), "a body that was erased is not all zeros");
            bodies_.push_back({{}, frame.payload.size(), true});
            ++report_.erased_bodies;
            break;
        case FrameKind::leaf:
            see_leaf(as_text(frame.payload));
            break;
        case FrameKind::checkpoint:
            see_checkpoint(as_text(frame.payload));
            break;
        case FrameKind::header:
            break;
    }
}

void Verifier::see_header(const Frame& frame, bool is_first) {
    const auto header = is_first && frame.kind == FrameKind::header ? parse_header(as_text(frame.payload)) : std::nullopt;
    if (!header)
        return find(Wrong::edited, tree_.size(),
                    is_first ? "the segment's header is wrong" : "a second header stands inside the segment");
    if (report_.origin.empty()) report_.origin = header->origin;
    if (header->origin != report_.origin)
        find(Wrong::edited, tree_.size(), "the segment's header has another origin than those before it");
    if (header->tree.size() != tree_.size() || header->tree.frontier() != tree_.frontier()) {
        find(Wrong::edited, covered_,
             "the records do not lead to the tree in the header of the next segment: one of them was edited, or the header");
        if (differs_)
            report_.finding = differs_;
        else
            report_.finding->last_seq = std::max(covered_, tree_.size()) - (tree_.size() > covered_ ? 1 : 0);
    }
    last_time_ = header->time;
}

void Verifier::see_leaf(std::string_view leaf) {
    const auto start = leaf_start(leaf);
    if (!start) return find(Wrong::edited, tree_.size(), "the record does not begin as records do");
    if (start->seq != tree_.size()) return wrong_order(*start);
    last_time_ = start->time;
    const LeafChecked checked = leaf_checker_.check(leaf, bodies_);
    const std::uint64_t seq = start->seq;
    const Digest hash = leaf_hash(as_bytes(leaf));
    const auto at = (seq - first_) * hash.size();
    if (checked.problem) {
        find(Wrong::edited, seq, *checked.problem);
        report_.finding->session = start->session;
        return;
    }
    Digest claimed = hash;
    if (at + hash.size() <= hashes_.size()) {
        std::copy_n(as_bytes(hashes_).begin() + static_cast<std::ptrdiff_t>(at), hash.size(), claimed.begin());
        if (claimed == Digest{}) claimed = hash;  // a page that never reached the disk
    }
    if (claimed != hash && !differs_) {
        differs_ = Finding{Wrong::edited,
                           seq,
                           seq,
                           std::string(start->time),
                           std::string(start->session),
                           segment_,
                           record_offset_,
                           "its hash is not the one that was written down beside it"};
    }
    report_.bodies += bodies_.size();
    bodies_.clear();
    told_pruned_before_ = std::max(told_pruned_before_, checked.pruned_before.value_or(0));
    claimed_.add(claimed);
    tree_.add(hash);
    check_promises();
}

// Pruned records and promises share this with see_leaf().
void Verifier::add(const Digest& hash) {
    claimed_.add(hash);
    tree_.add(hash);
    check_promises();
}

void Verifier::wrong_order(const LeafStart& start) {
    const std::uint64_t expected = tree_.size();
    if (start.seq < expected)
        return find(Wrong::reordered, start.seq,
                    fmt::format("record {} stands where record {} should be", start.seq, expected));
    const std::uint64_t found = start.seq;
    for (;;) {
        const auto item = reader_->next();
        if (!item || item->is_end || item->frame.fault != FrameFault::none) break;
        if (item->frame.kind != FrameKind::leaf) continue;
        const auto later = leaf_start(as_text(item->frame.payload));
        if (!later || later->seq != expected) continue;
        last_time_ = later->time;
        find(Wrong::reordered, expected,
             fmt::format("record {} stands where it should be; it comes later, at offset {}", found, item->offset));
        report_.finding->session = later->session;
        return;
    }
    find(Wrong::missing, expected,
         found == expected + 1 ? fmt::format("record {} follows record {}", found, expected - 1)
                               : fmt::format("records {} to {} are gone", expected, found - 1));
}

void Verifier::damaged(const SegmentReader::Item& item, bool is_last) {
    const bool is_promised = !promises_.empty();  // a checkpoint of records that are still to come
    if (item.frame.fault == FrameFault::incomplete && is_last && !is_promised) {
        bodies_.clear();
        report_.notes.push_back(fmt::format(
            "{} ends at offset {} with a record that was not finished (a crash, or the daemon is writing it now)", segment_,
            item.offset));
        return;
    }
    find(item.frame.fault == FrameFault::incomplete ? Wrong::truncated : Wrong::edited, tree_.size(),
         std::string(name_of(item.frame.fault)));
    // What the damaged bytes still say helps people to find it; it proves nothing.
    auto leaf = item.frame.kind == FrameKind::leaf ? leaf_start(as_text(item.frame.payload)) : std::nullopt;
    SegmentReader::Item next;
    if (!leaf && item.frame.fault == FrameFault::bad_checksum) {
        reader_->seek(item.offset + item.frame.size);
        while (true) {
            auto following = reader_->next();
            if (!following || following->is_end || following->frame.fault != FrameFault::none) break;
            if (following->frame.kind != FrameKind::leaf) continue;
            next = *following;
            leaf = leaf_start(as_text(next.frame.payload));
            break;
        }
    }
    if (!leaf || leaf->seq != tree_.size()) return;
    report_.finding->time = leaf->time;
    report_.finding->session = leaf->session;
}

void Verifier::see_checkpoint(std::string_view note) {
    if (!bodies_.empty())
        return find(Wrong::missing, tree_.size(), "bodies stand before a checkpoint, and their record does not");
    const auto checkpoint = open_checkpoint(note, key_);
    if (!checkpoint) return find(Wrong::edited, tree_.size(), "a checkpoint behind it: " + checkpoint.error().message);
    ++report_.checkpoints;
    newest_frame_ = checkpoint->size;
    check_root(*checkpoint, "a checkpoint");
}

void Verifier::check_root(const Checkpoint& checkpoint, std::string_view source) {
    if (is_done()) return;
    if (checkpoint.origin != report_.origin && !report_.origin.empty()) {
        return find(Wrong::edited, tree_.size(), fmt::format("{} is of another log, '{}'", source, checkpoint.origin));
    }
    if (checkpoint.size == tree_.size() && checkpoint.root == tree_.root()) {
        if (differs_)
            report_.notes.push_back(
                fmt::format("the leaf hashes beside {} are wrong; the records are right", differs_->segment));
        differs_.reset();
        claimed_ = tree_;
        covered_ = tree_.size();
        pruned_before_ = told_pruned_before_;
        return;
    }
    if (checkpoint.size > tree_.size()) {
        return find(Wrong::missing, tree_.size(),
                    fmt::format("{} of {} records stands behind {}", source, checkpoint.size, tree_.size()));
    }
    if (differs_ && checkpoint.size == tree_.size() && checkpoint.root == claimed_.root()) {
        report_.finding = differs_;
        report_.finding->detail += fmt::format(", which is the one that {} of {} records confirms", source, checkpoint.size);
        return;
    }
    find(Wrong::edited, covered_,
         fmt::format("the records do not have the root that {} of {} records has; the one of {} records fits", source,
                     checkpoint.size, covered_));
    report_.finding->last_seq = checkpoint.size == 0 ? 0 : checkpoint.size - 1;
    if (differs_) report_.finding = differs_;
}

void Verifier::check_promises() {
    while (!promises_.empty() && promises_.front().checkpoint.size == tree_.size() && !is_done()) {
        const Promise promise = promises_.front();
        promises_.erase(promises_.begin());
        check_root(promise.checkpoint, promise.source);
    }
}

void Verifier::check_end() {
    if (differs_ && !is_done()) report_.finding = differs_;
    if (!is_done() && !promises_.empty()) {
        const Promise& promise = promises_.back();
        find(Wrong::truncated, tree_.size(),
             fmt::format("the log ends after {} records, but {} is of {}", tree_.size(), promise.source,
                         promise.checkpoint.size));
        report_.finding->last_seq = promise.checkpoint.size - 1;
    }
    if (!is_done() && !checkpoint_problem_.empty()) {
        segment_ = checkpoint_name;
        record_offset_ = 0;
        find(Wrong::edited, tree_.size(), checkpoint_problem_);
    }
    // The frame is durable before the file is written.
    if (!is_done() && newest_frame_ < folder_checkpoint_) {
        find(Wrong::truncated, tree_.size(),
             fmt::format("the checkpoint of {} records is in the folder's file, and not in the log", folder_checkpoint_));
    }
    if (!is_done() && pruned_end_ > told_pruned_before_) {
        find(Wrong::missing, told_pruned_before_, "segments were removed, and no record says that they were pruned");
        report_.finding->last_seq = pruned_end_ - 1;
        report_.finding->time.clear();
        report_.finding->segment = segment_file(0);
    }
}

void Verifier::say_what_is_open() {
    if (!options_.checkpoint) {
        report_.cannot_exclude.emplace_back(
            "that the whole folder was put back to an older state, or its end cut off together with its checkpoints: only a "
            "checkpoint that was "
            "kept elsewhere shows this (the journal has them; use --checkpoint FILE)");
    }
    report_.cannot_exclude.emplace_back(
        "that somebody who has the private key wrote another history: compare with a checkpoint that was kept elsewhere");
    if (covered_ < tree_.size()) {
        report_.cannot_exclude.push_back(fmt::format(
            "changes of the {} records since the last checkpoint, by somebody who also corrected their checksums",
            tree_.size() - covered_));
    }
    if (pruned_end_ > pruned_before_) {
        report_.cannot_exclude.push_back(fmt::format(
            "that somebody else removed the segments before record {}: the record that they were pruned is not behind a "
            "checkpoint yet",
            pruned_end_));
    }
    if (report_.erased_bodies != 0) {
        report_.cannot_exclude.push_back(fmt::format(
            "anything about the content of the {} bodies that were erased, nor who did it: only their digests are left",
            report_.erased_bodies));
    }
    if (report_.pruned_records != 0) {
        report_.cannot_exclude.push_back(
            fmt::format("anything about the content of the {} records that were pruned: only their hashes are left",
                        report_.pruned_records));
    }
    if (!has_folder_checkpoint_ && report_.records != 0) report_.notes.emplace_back("the folder has no file `checkpoint`");
}

}  // namespace

std::string_view name_of(Wrong wrong) noexcept {
    switch (wrong) {
        case Wrong::edited:
            return "edited";
        case Wrong::missing:
            return "missing";
        case Wrong::reordered:
            return "reordered";
        case Wrong::truncated:
            return "truncated";
    }
    return "";
}

Result<VerifyReport> verify(const VerifyOptions& options) {
    auto key = Key::load_public(options.public_key);
    if (!key) return std::unexpected(key.error());
    return Verifier(options, std::move(*key)).run();
}

}  // namespace assent::record
