// What a record costs: CPU of all threads (producer and writer) for each, at leaves of about 500 bytes with two small
// bodies.
#include <stdlib.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>

#include <benchmark/benchmark.h>

#include "record/log.h"
#include "record/tree.h"

namespace {

using namespace assent;

class Bench {
public:
    Bench() {
        std::string pattern = (std::filesystem::temp_directory_path() / "assent-bench-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) std::abort();
        folder_ = pattern;
        record::LogOptions options;
        options.folder = folder_ / "records";
        options.key = folder_ / "log";
        options.origin = "assent/bench";
        options.reserve_bytes = 0;
        options.max_size_bytes = 1ULL << 30U;
        auto opened = record::Log::open(options);
        if (!opened) std::abort();
        log = std::move(*opened);
        sink = &log->add_lane([this] {
            const std::lock_guard lock(mutex_);
            moved_.notify_all();
        });
    }
    ~Bench() {
        log->close();
        std::filesystem::remove_all(folder_);
    }
    model::RecordTicket append(const model::RecordDraft& draft) {
        for (;;) {
            const auto ticket = sink->append(draft);
            if (ticket) return *ticket;
            wait_for(sink->durable() + 1);
        }
    }
    void wait_for(model::RecordTicket ticket) {
        std::unique_lock lock(mutex_);
        moved_.wait(lock, [&] { return sink->durable() >= ticket; });
    }

    std::unique_ptr<record::Log> log;
    model::RecordSink* sink = nullptr;

private:
    std::filesystem::path folder_;
    std::mutex mutex_;
    std::condition_variable moved_;
};

const std::string members =
    R"("command":17,"kind":"bind","status":"I","database":"payments","user":"app","decision":"allow","enforced":"allow","rules":["reads-of-reporting"],"effects":[{"operation":"read","objects":["public.pgbench_accounts"],"statement":0,"decision":"allow","rules":["reads-of-reporting"]}],"agents":["migrator"],"target":"payments-db","policy_revision":3)";
const std::string text = "SELECT abalance FROM pgbench_accounts WHERE aid = $1";
const std::string parameters = "[\"4711\"]";

void append_many(benchmark::State& state) {
    Bench bench;
    const model::RecordBody bodies[] = {{"text", as_bytes(text)}, {"parameters", as_bytes(parameters)}};
    model::RecordTicket last = 0;
    for (auto _ : state) last = bench.append({"command", "01kan8t3k2v7m4qd", members, bodies, false});
    bench.wait_for(last);
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(append_many)->MeasureProcessCPUTime()->UseRealTime();

// One producer that waits for each: the latency of a strict write.
void append_and_sync(benchmark::State& state) {
    Bench bench;
    const model::RecordBody bodies[] = {{"text", as_bytes(text)}, {"parameters", as_bytes(parameters)}};
    for (auto _ : state) bench.wait_for(bench.append({"command", "01kan8t3k2v7m4qd", members, bodies, true}));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(append_and_sync)->MeasureProcessCPUTime()->UseRealTime();

void hash_leaf(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(record::leaf_hash(as_bytes(members)));
}
BENCHMARK(hash_leaf);

void add_to_tree(benchmark::State& state) {
    record::Tree tree;
    for (auto _ : state) tree.add(Digest{});
}
BENCHMARK(add_to_tree);

}  // namespace

BENCHMARK_MAIN();
