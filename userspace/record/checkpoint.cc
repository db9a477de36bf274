#include "record/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "record/encoding.h"

namespace assent::record {
namespace {

constexpr std::size_t note_size_limit = 64UL * 1024;
constexpr std::string_view signature_start = "\xE2\x80\x94 ";  // an em dash and a space
constexpr std::size_t key_hash_size = 4;
constexpr std::byte ed25519{0x01};

using KeyHash = std::array<std::byte, key_hash_size>;

KeyHash key_hash(std::string_view name, const Key& key) {
    const std::byte newline{'\n'};
    const Digest digest = sha256({as_bytes(name), Bytes(&newline, 1), Bytes(&ed25519, 1), Bytes(key.public_bytes())});
    KeyHash out{};
    std::copy_n(digest.begin(), out.size(), out.begin());
    return out;
}

// Takes the text up to the next line feed; nothing when there is none.
std::optional<std::string_view> take_line(std::string_view& rest) {
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return line;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || fmt::format("{}", value) != text) return std::nullopt;
    return value;
}

struct Split {
    std::string_view text;        // with its last line feed: what is signed
    std::string_view signatures;  // the lines after the empty one
};

std::optional<Split> split_note(std::string_view note) {
    if (note.size() > note_size_limit) return std::nullopt;
    const auto gap = note.rfind("\n\n");
    if (gap == std::string_view::npos) return std::nullopt;
    return Split{note.substr(0, gap + 1), note.substr(gap + 2)};
}

}  // namespace

bool is_origin(std::string_view text) noexcept {
    constexpr std::size_t longest = 200;
    return !text.empty() && text.size() <= longest &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F && c != '+'; });
}

std::string sign_checkpoint(const Checkpoint& checkpoint, const Key& key) {
    const std::string text = fmt::format("{}\n{}\n{}\n", checkpoint.origin, checkpoint.size, to_base64(checkpoint.root));
    const KeyHash hash = key_hash(checkpoint.origin, key);
    const Signature signature = key.sign(as_bytes(text));
    ByteVector blob(hash.begin(), hash.end());
    append(blob, signature);
    return fmt::format("{}\n{}{} {}\n", text, signature_start, checkpoint.origin, to_base64(blob));
}

Result<Checkpoint> parse_checkpoint(std::string_view note) {
    const auto split = split_note(note);
    if (!split) return fail(Errc::malformed, "not a signed note: no empty line before its signatures");
    std::string_view rest = split->text;
    const auto origin = take_line(rest);
    const auto size_line = take_line(rest);
    const auto root_line = take_line(rest);
    if (!origin || !size_line || !root_line || !is_origin(*origin)) {
        return fail(Errc::malformed, "not a checkpoint: it needs an origin, a tree size and a root hash, a line each");
    }
    const auto size = parse_size(*size_line);
    const auto root = from_base64(*root_line);
    Checkpoint out{std::string(*origin), size.value_or(0), {}};
    if (!size || !root || root->size() != out.root.size()) {
        return fail(Errc::malformed, "not a checkpoint: its tree size or root hash cannot be read");
    }
    std::ranges::copy(*root, out.root.begin());
    return out;
}

Result<Checkpoint> open_checkpoint(std::string_view note, const Key& key) {
    auto checkpoint = parse_checkpoint(note);
    if (!checkpoint) return checkpoint;
    const auto split = split_note(note);
    const KeyHash expected = key_hash(checkpoint->origin, key);
    std::string_view rest = split->signatures;
    while (const auto line = take_line(rest)) {
        if (!line->starts_with(signature_start))
            return fail(Errc::malformed, "a signature line does not start with an em dash");
        const std::string_view fields = line->substr(signature_start.size());
        const auto space = fields.find(' ');
        if (space == std::string_view::npos) return fail(Errc::malformed, "a signature line has no signature");
        const auto blob = from_base64(fields.substr(space + 1));
        if (!blob || blob->size() <= key_hash_size) return fail(Errc::malformed, "a signature line cannot be read");
        // Signatures of others (witnesses) may stand beside ours.
        if (fields.substr(0, space) != checkpoint->origin || !std::equal(expected.begin(), expected.end(), blob->begin()))
            continue;
        if (key.verifies(as_bytes(split->text), Bytes(*blob).subspan(key_hash_size))) return checkpoint;
        return fail(Errc::denied, fmt::format("the signature of the checkpoint of {} records is wrong", checkpoint->size));
    }
    return fail(Errc::denied, fmt::format("the checkpoint of {} records has no signature of this key", checkpoint->size));
}

}  // namespace assent::record
