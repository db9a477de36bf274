// The log: append-only segments under a folder, a Merkle tree over their leaves, signed checkpoints. FORMAT.md is the
// format. One writer thread; every other thread has a Lane.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/result.h"
#include "model/record.h"

namespace assent::record {

class Disk;

struct LogOptions {
    std::filesystem::path folder;  // made if it is not there, mode 0700
    std::filesystem::path key;     // Ed25519 private key, PEM; made with its public half beside it (.pub) if not there
    std::string origin;            // the checkpoint's origin line: "assent/<machine id or host name>"
    std::chrono::milliseconds unsynced{100};  // how long a record that nobody waits for may stay unsynced
    std::uint64_t max_size_bytes = 50ULL << 30U;
    std::uint64_t reserve_bytes = 1ULL << 30U;
    std::chrono::hours retain{400 * 24};
    // Gets every checkpoint after it is durable, on the writer's thread; must not wait. Give it
    // send_checkpoint_to_journal (record/journal.h), and whatever else keeps checkpoints elsewhere.
    std::function<void(std::string_view note)> on_checkpoint;

    // What tests make small.
    std::uint64_t segment_size_bytes = limits::segment_size;
    std::uint64_t checkpoint_records = limits::checkpoint_records;
    std::chrono::milliseconds checkpoint_interval = limits::checkpoint_interval;
    Disk* disk = nullptr;  // the real one when null; outlives the log
};

class Log {
public:
    virtual ~Log() = default;

    // Opens or makes the log, repairs a torn tail after a crash (and records that it did). Exclusive: a second opener fails.
    // Errc::malformed when what a checkpoint covers is damaged or missing; the message says what to do.
    [[nodiscard]] static Result<std::unique_ptr<Log>> open(const LogOptions& options);

    // A lane for one producer thread. `moved` is called on the writer's thread whenever durable() or is_available() of the
    // lane changed; it must only wake the producer (an eventfd). Lanes live as long as the log. Ends the process when the
    // lane cannot be mapped: call it at start. Thread: any.
    [[nodiscard]] virtual model::RecordSink& add_lane(std::function<void()> moved) = 0;

    // Appends and waits until it is durable; for the control thread, never for the hot path.
    [[nodiscard]] virtual Result<> append_and_wait(const model::RecordDraft& draft) = 0;

    // Writes what is queued, makes a last checkpoint, stops the thread. Idempotent; the destructor does it too.
    virtual void close() = 0;
    // After close(): how many records were taken and did not get to the disk.
    [[nodiscard]] virtual std::uint64_t unwritten() const = 0;

    // For `status`: JSON members (size_bytes, segments, records, last_checkpoint, is_available, why).
    [[nodiscard]] virtual std::string describe() const = 0;
    [[nodiscard]] virtual const std::filesystem::path& folder() const noexcept = 0;
};

}  // namespace assent::record
