// Between flows, which must not wait, and the desk, which waits for the disk: one thread makes the calls and posts the
// answers. It also routes what people decide to the sessions that wait, and records how holds begin and end.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "app/hold_ends.h"
#include "approve/desk.h"
#include "base/limits.h"
#include "model/kept_records.h"
#include "model/record.h"

namespace assent::app {

struct HoldFailed {
    std::string why;
};
struct HoldUsed {
    bool was_free = false;
};
using HoldAnswer = std::variant<model::HoldStatus, HoldFailed, HoldUsed>;

class HoldService {
public:
    // Where the answers for sessions go: a worker.
    class Client {
    public:
        virtual ~Client() = default;
        // On the service's thread; must only post.
        virtual void hold_answered(const std::string& session, const HoldAnswer& answer) = 0;
    };

    // All of them live longer than the service. It adds a callback to the desk.
    HoldService(approve::Desk& desk, model::RecordSink& records);
    ~HoldService();
    HoldService(const HoldService&) = delete;
    HoldService& operator=(const HoldService&) = delete;

    // Records first what ended before, as far as the log does not know it.
    [[nodiscard]] Result<> start(const std::filesystem::path& log_folder);
    // Answers nothing more when it returns.
    void stop();
    // After stop(), and after the log was closed: notes what has become durable. Gives how many records were not taken.
    std::size_t finish();

    // Thread: any. Answered once with a HoldStatus or HoldFailed, and with a HoldStatus at each later change until the
    // session leaves or the hold has ended.
    void open(Client& client, const model::HoldRequest& request);
    void use(Client& client, const std::string& session, std::string_view id);
    void leave(const std::string& session, std::string_view id, bool is_cancelled);
    void session_ended(const std::string& session);
    // Does it soon on the service's thread, which may wait for the disk. Nothing is done after stop().
    void later(std::function<void()> task) { post(std::move(task)); }
    // Called about once a second on the service's thread. Before start().
    void every_second(std::function<void()> task) { every_second_ = std::move(task); }

private:
    struct Waiting {
        Client* client = nullptr;
        std::string hold;
    };

    void run();
    void post(std::function<void()> task);
    void do_open(Client& client, const model::HoldRequest& request);
    void do_use(Client& client, const std::string& session, const std::string& id);
    void do_leave(const std::string& session, const std::string& id, bool is_cancelled);
    void forget(const std::string& session);
    void changed(const approve::Hold& hold);
    void expire();
    void record_escalated(const approve::Hold& hold);
    void record_opened(const model::HoldRequest& request, const model::HoldStatus& status);
    void record(const model::RecordDraft& draft);

    approve::Desk& desk_;
    model::RecordSink& records_;
    std::map<std::string, Waiting> waiting_;               // by session; the service's thread only
    std::multimap<std::string, std::string> sessions_of_;  // by hold, the other way round
    std::function<void()> every_second_;
    std::map<std::string, std::string> used_by_;  // session by hold, until its end is recorded; the service's thread only
    HoldEnds ends_;
    model::KeptRecords kept_{limits::records_kept};  // the service's thread only

    std::mutex mutex_;
    std::condition_variable has_tasks_;
    std::deque<std::function<void()>> tasks_;
    bool is_stopping_ = false;
    std::thread thread_;
};

}  // namespace assent::app
