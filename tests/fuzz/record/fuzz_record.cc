// Any bytes as the one segment of a log: reading, verifying, searching and replaying must end, whole. The input's first byte
// says whether checksums are corrected first, so that the fuzzer gets behind them.
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "record/checkpoint.h"
#include "record/frame.h"
#include "record/key.h"
#include "record/reader.h"
#include "record/replay.h"
#include "record/result_rows.h"
#include "record/search.h"
#include "record/segment.h"
#include "record/session_list.h"
#include "record/verify.h"

namespace {

using namespace assent;
using namespace assent::record;

struct Place {
    std::filesystem::path folder;
    std::filesystem::path key;

    Place() {
        const char* const base =
            std::filesystem::exists("/dev/shm") ? "/dev/shm/assent-fuzz-XXXXXX" : "/tmp/assent-fuzz-XXXXXX";
        std::string pattern = base;
        if (::mkdtemp(pattern.data()) == nullptr) std::abort();
        folder = pattern;
        key = folder / "key";
        if (!Key::load_or_make(key)) std::abort();
    }
    ~Place() { std::filesystem::remove_all(folder); }
};

std::string with_checksums(Bytes bytes) {
    std::string out(segment_magic);
    while (!bytes.empty()) {
        const Frame frame = read_frame(bytes);
        if (frame.fault != FrameFault::none && frame.fault != FrameFault::bad_checksum) return out += as_text(bytes);
        append_frame(out, frame.kind, as_text(frame.payload));
        bytes = bytes.subspan(frame.size);
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Place place;
    if (size == 0) return 0;
    const Bytes input = std::as_bytes(std::span(data, size)).subspan(1);
    const std::string text =
        (data[0] & 1U) != 0 ? with_checksums(input) : std::string(segment_magic) + std::string(as_text(input));
    {
        std::ofstream file(place.folder / segment_file(0), std::ios::binary | std::ios::trunc);
        file.write(text.data(), static_cast<std::streamsize>(text.size()));
    }
    const auto each = [](const nlohmann::json& value) {
        (void)value.dump();
        return true;
    };
    (void)verify({place.folder, place.folder / "key.pub", std::nullopt, {}});
    (void)list_sessions(place.folder, {});
    (void)replay_session(place.folder, "s", each);
    SearchFilter filter;
    filter.text = "a";
    (void)search_records(place.folder, filter, each);
    (void)read_result(input);
    (void)parse_checkpoint(as_text(input));
    return 0;
}
