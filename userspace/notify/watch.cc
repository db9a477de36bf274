#include "notify/watch.h"

#include <chrono>
#include <fstream>
#include <thread>

#include <spdlog/spdlog.h>

#include "base/time.h"
#include "control/client.h"

namespace assent::notify {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr auto pause_before_another_try = 2s;

}  // namespace

Watch::Watch(std::filesystem::path socket, const std::filesystem::path& folder)
    : socket_(std::move(socket)), file_(folder.empty() ? folder : folder / "seen") {
    std::ifstream in(file_);
    if (file_.empty() || !(in >> seen_)) seen_ = to_rfc3339(system_clock().wall());
}

void Watch::keep() const {
    if (file_.empty()) return;
    const auto next = file_.string() + ".new";
    {
        std::ofstream out(next, std::ios::trunc);
        out << seen_ << '\n';
        if (!out.flush()) {
            spdlog::warn("{} cannot be written: a restart may tell of holds twice", next);
            return;
        }
    }
    std::error_code error;
    std::filesystem::rename(next, file_, error);
    if (error) spdlog::warn("{}: {}", file_.string(), error.message());
}

void Watch::take(const json& line, const std::function<void(const json&)>& each) {
    if (line.contains("listed")) is_listing_ = false;
    if (const auto dropped = line.value("dropped", 0ULL); dropped > 0)
        spdlog::warn("{} notices were lost: they came faster than they were taken", dropped);
    const auto notice = line.find("notice");
    if (notice == line.end() || !notice->is_object()) return;
    const auto hold = notice->find("hold");
    const bool is_opened = notice->value("event", "") == "opened" && hold != notice->end() && hold->is_object();
    if (is_opened) {
        const auto opened = hold->value("opened", "");
        if (is_listing_ && opened <= seen_) return;
        if (opened > seen_) {
            seen_ = opened;
            keep();
        }
    }
    each(*notice);
}

void Watch::run(const std::function<void(const json&)>& each, const std::atomic<bool>& is_over) {
    std::string said;  // so that the journal is not filled while the daemon is away
    while (!is_over) {
        is_listing_ = true;
        auto stream = control::Stream::open(socket_, {{"verb", "notices"}});
        std::string why = stream ? std::string() : stream.error().message;
        while (stream && !is_over) {
            const auto line = stream->next(1000ms);
            if (!line) {
                why = line.error().message;
                break;
            }
            if (!*line) continue;
            if (!said.empty()) spdlog::info("assentd answers again");
            said.clear();
            if ((*line)->is_object()) take(**line, each);
        }
        if (!why.empty() && why != said) spdlog::warn("{}", why);
        if (!why.empty()) said = why;
        const auto until = std::chrono::steady_clock::now() + pause_before_another_try;
        while (!is_over && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(100ms);
    }
}

}  // namespace assent::notify
