#include "record/recover.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/limits.h"
#include "record/files.h"
#include "record/frame.h"

namespace assent::record {
namespace {

constexpr std::string_view what_to_do =
    "run `assent verify` to see what is wrong; to begin a new log, move the folder away and keep it";

// A file mapped for reading. The lock on the folder keeps other writers away.
class Mapping {
public:
    Mapping() = default;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (data_ != nullptr) ::munmap(data_, size_);
    }
    [[nodiscard]] bool map(int descriptor, std::size_t size) {
        if (size == 0) return true;
        void* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (data == MAP_FAILED) return false;
        data_ = data;
        size_ = size;
        return true;
    }
    [[nodiscard]] Bytes bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

private:
    void* data_ = nullptr;
    std::size_t size_ = 0;
};

struct Scan {
    bool has_header = false;
    std::size_t good_end = 0;  // behind the last record or checkpoint
    FrameFault fault = FrameFault::none;
};

// Walks the frames of the last segment, builds the tree on, and checks every checkpoint on the way.
Result<Scan> scan_frames(Bytes bytes, std::uint64_t first, const Key& key, Recovered& out) {
    Scan scan;
    if (!as_text(bytes).starts_with(segment_magic)) {
        if (bytes.size() >= segment_magic.size())
            scan.fault = FrameFault::bad_kind;
        else
            scan.fault = FrameFault::incomplete;
        return scan;
    }
    std::size_t at = segment_magic.size();
    while (at < bytes.size()) {
        const Frame frame = read_frame(bytes.subspan(at));
        scan.fault = frame.fault;
        if (frame.fault != FrameFault::none) break;
        at += frame.size;
        const auto payload = as_text(frame.payload);
        if (frame.kind == FrameKind::header) {
            auto header = scan.has_header ? std::nullopt : parse_header(payload);
            if (!header || header->tree.size() != first) return fail(Errc::malformed, "its header is wrong");
            out.tree = std::move(header->tree);
            out.origin = header->origin;
            scan.has_header = true;
        } else if (!scan.has_header) {
            return fail(Errc::malformed, "it has no header");
        } else if (frame.kind == FrameKind::leaf) {
            const auto start = leaf_start(payload);
            if (!start || start->seq != out.tree.size()) {
                return fail(Errc::malformed, fmt::format("where record {} should be there is another", out.tree.size()));
            }
            const Digest hash = leaf_hash(frame.payload);
            out.tree.add(hash);
            out.hashes += as_text(hash);
        } else if (frame.kind == FrameKind::checkpoint) {
            const auto checkpoint = open_checkpoint(payload, key);
            if (!checkpoint) return std::unexpected(checkpoint.error());
            if (checkpoint->size != out.tree.size() || checkpoint->root != out.tree.root()) {
                return fail(Errc::malformed,
                            fmt::format("its records up to {} are not those of its checkpoint", checkpoint->size));
            }
            out.last_checkpoint = checkpoint->size;
        }
        const bool ends_record = frame.kind != FrameKind::body && frame.kind != FrameKind::erased;
        if (ends_record) scan.good_end = at;
    }
    return scan;
}

// Under a name of its own, which it gives: what was kept before stays.
Result<std::string> keep_evidence(const std::filesystem::path& folder, const std::string& name, Bytes bytes,
                                  std::size_t offset) {
    const std::string wanted = fmt::format("{}.torn-{}", name, offset);
    std::string kept = wanted;
    std::error_code error;
    for (int i = 2; std::filesystem::exists(folder / kept, error); ++i) kept = fmt::format("{}.{}", wanted, i);
    if (auto written = replace_file(folder / kept, as_text(bytes), 0600); !written) return std::unexpected(written.error());
    return kept;
}

std::string describe_cut(const std::string& name, const std::string& kept, std::size_t offset, std::size_t size,
                         FrameFault fault) {
    std::string members;
    JsonWriter(members)
        .member("what", "records")
        .member("why", fault == FrameFault::none ? "the last record was not finished" : name_of(fault))
        .member("segment", name)
        .member("offset", offset)
        .member("cut_bytes", size)
        .member("kept_as", kept);
    return members;
}

// The newest checkpoint, if there is one: how many records the log must have.
Result<std::uint64_t> promised_size(const std::filesystem::path& folder, const Key& key) {
    const auto file = folder / checkpoint_name;
    const auto note = read_small_file(file, limits::checkpoint_note);
    if (!note && note.error().code == Errc::not_found) return 0;
    if (!note) return std::unexpected(note.error());
    const auto checkpoint = open_checkpoint(*note, key);
    if (!checkpoint)
        return fail(checkpoint.error().code,
                    fmt::format("{}: {}; {}", file.string(), checkpoint.error().message, what_to_do));
    return checkpoint->size;
}

// Opens, scans and repairs one segment. False: it was never finished being made, and has been put aside.
Result<bool> recover_segment(const std::filesystem::path& folder, std::uint64_t first, const Key& key,
                             std::uint64_t promised, Recovered& out) {
    const std::string name = segment_file(first);
    const auto file = folder / name;
    Fd descriptor(::open(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    struct stat status {};
    if (!descriptor.is_open() || ::fstat(descriptor.get(), &status) != 0) {
        return fail_errno(fmt::format("cannot open {}", file.string()), errno);
    }
    const auto size = static_cast<std::size_t>(status.st_size);
    Mapping mapping;
    if (size > limits::segment_size + 4 * limits::record_batch || !mapping.map(descriptor.get(), size)) {
        return fail(Errc::malformed, fmt::format("{} is too large to be a segment; {}", file.string(), what_to_do));
    }
    const auto scan = scan_frames(mapping.bytes(), first, key, out);
    if (!scan) return fail(Errc::malformed, fmt::format("{}: {}; {}", file.string(), scan.error().message, what_to_do));
    const bool was_never_made = !scan->has_header && scan->fault == FrameFault::incomplete && promised <= first;
    if (!scan->has_header && !was_never_made) {
        return fail(Errc::malformed, fmt::format("{} has no header; {}", file.string(), what_to_do));
    }
    if (scan->has_header && out.tree.size() < promised) {
        return fail(Errc::malformed,
                    fmt::format("{}: the log ends after {} records ({}), but its checkpoint is of {}; {}", file.string(),
                                out.tree.size(), scan->fault == FrameFault::none ? "nothing follows" : name_of(scan->fault),
                                promised, what_to_do));
    }
    const std::size_t good_end = was_never_made ? 0 : scan->good_end;
    if (good_end < size || was_never_made) {
        const auto kept = keep_evidence(folder, name, mapping.bytes().subspan(good_end), good_end);
        if (!kept) return std::unexpected(kept.error());
        out.degraded.push_back(describe_cut(name, *kept, good_end, size - good_end, scan->fault));
    }
    if (was_never_made) {
        if (::unlink(file.c_str()) != 0) return fail_errno(fmt::format("cannot put {} aside", file.string()), errno);
        return false;
    }
    if (good_end < size &&
        (::ftruncate(descriptor.get(), static_cast<off_t>(good_end)) != 0 || ::fsync(descriptor.get()) != 0)) {
        return fail_errno(fmt::format("cannot cut the unfinished end of {}", file.string()), errno);
    }
    out.active = std::move(descriptor);
    out.first = first;
    out.size_bytes = good_end;
    return true;
}

}  // namespace

Result<Recovered> recover(const std::filesystem::path& folder, const Key& key) {
    const auto promised = promised_size(folder, key);
    if (!promised) return std::unexpected(promised.error());
    auto names = list_segments(folder);
    if (!names) return std::unexpected(names.error());
    Recovered out;
    std::erase_if(*names, [](const SegmentName& name) { return !name.has_data; });
    out.segments = std::move(*names);
    while (!out.segments.empty()) {
        auto usable = recover_segment(folder, out.segments.back().first, key, *promised, out);
        if (!usable) return std::unexpected(usable.error());
        if (*usable) return out;
        out.segments.pop_back();
    }
    if (*promised != 0) {
        return fail(Errc::malformed, fmt::format("{} has no segments, but a checkpoint of {} records; {}", folder.string(),
                                                 *promised, what_to_do));
    }
    return out;
}

}  // namespace assent::record
