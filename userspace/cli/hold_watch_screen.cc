#include "cli/hold_watch_screen.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/decide.h"
#include "cli/hold_screen.h"
#include "cli/table.h"
#include "control/client.h"

namespace assent::cli {
namespace {

using nlohmann::json;

// What the daemon says, from the thread that listens to it to the one that talks with the person.
struct Inbox {
    std::mutex mutex;
    std::deque<json> messages;
    std::optional<Error> ended;
    Fd waker{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    void wake() const {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(waker.get(), &one, sizeof one);
    }
    void put(const json& message) {
        const std::scoped_lock lock(mutex);
        messages.push_back(message);
        wake();
    }
    void end(Error error) {
        const std::scoped_lock lock(mutex);
        ended = std::move(error);
        wake();
    }
    [[nodiscard]] std::deque<json> take() {
        std::uint64_t count = 0;
        [[maybe_unused]] const auto taken = ::read(waker.get(), &count, sizeof count);
        const std::scoped_lock lock(mutex);
        return std::exchange(messages, {});
    }
    [[nodiscard]] std::optional<Error> end_reason() {
        const std::scoped_lock lock(mutex);
        return ended;
    }
};

std::size_t terminal_height() {
    winsize size{};
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 4 ? size.ws_row : 24;
}

class Screen {
public:
    Screen(Context& context, std::shared_ptr<Inbox> inbox) : context_(context), inbox_(std::move(inbox)) {}
    void run();

private:
    enum class Waited { line, news, end };
    // Until the person has typed a line, or the daemon has said something.
    [[nodiscard]] Waited wait();
    // A line without its line feed; nothing at the end of the input.
    [[nodiscard]] static std::optional<std::string> read_line();
    void take_news();
    void take_news(const json& message);
    void show(const json& hold);
    // False: the person did not want to see all of it.
    [[nodiscard]] bool page(const std::vector<std::string>& lines);
    void ask() const;
    void answer(const std::string& line);

    Context& context_;
    std::shared_ptr<Inbox> inbox_;
    std::deque<json> waiting_;     // not shown yet
    std::optional<json> current_;  // what is asked about now
    bool is_seen_whole_ = false;   // only then it may be approved
    bool is_over_ = false;
};

Screen::Waited Screen::wait() {
    std::array<pollfd, 2> sources{{{STDIN_FILENO, POLLIN, 0}, {inbox_->waker.get(), POLLIN, 0}}};
    while (::poll(sources.data(), sources.size(), -1) < 0) {
        if (errno != EINTR) return Waited::end;
    }
    if (sources[1].revents != 0) return Waited::news;
    return Waited::line;
}

std::optional<std::string> Screen::read_line() {
    std::string line;
    char c = 0;
    while (::read(STDIN_FILENO, &c, 1) == 1) {
        if (c == '\n') return line;
        line.push_back(c);
    }
    return std::nullopt;
}

void Screen::take_news() {
    for (const json& message : inbox_->take()) take_news(message);
    if (const auto end = inbox_->end_reason(); end && !is_over_) {
        is_over_ = true;
        std::printf("\n");
        context_.print_error(*end);
    }
}

void Screen::take_news(const json& message) {
    const json& hold = member_of(message, "hold");
    const std::string id = text_of(hold, "id");
    const std::string event = text_of(message, "event");
    if (event == "listed") {
        if (number_of(message, "count") == 0) std::printf("No hold waits. Watching for new ones; Ctrl-C ends.\n");
        return;
    }
    if (text_of(hold, "state") == "waiting") {
        const auto is_same = [&](const json& other) { return text_of(other, "id") == id; };
        if (event == "decided" || (current_ && is_same(*current_)) || std::ranges::any_of(waiting_, is_same)) return;
        waiting_.push_back(hold);
        // Those that were listed had rung before; one that is escalated may be new to this person.
        if (event == "opened" || event == "escalated") std::printf("\a");
        if (current_) std::printf("\n(%s of %s waits too)\n", id.c_str(), shown_text(text_of(hold, "agent")).c_str());
        if (current_) ask();
        return;
    }
    std::erase_if(waiting_, [&](const json& other) { return text_of(other, "id") == id; });
    if (!current_ || text_of(*current_, "id") != id) return;
    std::printf("\n%s is %s\n", id.c_str(), shown_text(state_text(hold)).c_str());
    current_.reset();
}

bool Screen::page(const std::vector<std::string>& lines) {
    const std::size_t room = terminal_height() - 2;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (i > 0 && i % room == 0) {
            std::printf("-- %zu more lines: Enter shows them, s skips this hold -- ", lines.size() - i);
            std::fflush(stdout);
            const auto line = read_line();
            if (!line) is_over_ = true;
            if (!line || line->starts_with('s')) return false;
        }
        std::printf("%s\n", lines[i].c_str());
    }
    return true;
}

void Screen::show(const json& hold) {
    std::printf("\n");
    current_ = hold;
    const bool was_paged = page(hold_lines(hold, terminal_width()));
    is_seen_whole_ = was_paged && is_whole(hold);
    if (!was_paged) {
        std::printf("%s still waits\n", text_of(hold, "id").c_str());
        current_.reset();
        return;
    }
    // What was typed before the hold could be read is no answer to it.
    ::tcflush(STDIN_FILENO, TCIFLUSH);
    ask();
}

void Screen::ask() const {
    std::printf(is_seen_whole_ ? "[a]pprove  [d]eny  [s]kip  [q]uit; a reason may follow the letter > "
                               : "[d]eny  [s]kip  [q]uit > ");
    std::fflush(stdout);
}

void Screen::answer(const std::string& line) {
    const std::string id = text_of(*current_, "id");
    const char letter = line.empty() ? '\0' : line[0];
    std::string reason = line.size() > 1 ? line.substr(1) : std::string();
    // A whole word or a reason after a blank; never a word that only begins with the letter.
    if (!reason.empty() && reason[0] != ' ') {
        const bool is_word = (letter == 'a' && line == "approve") || (letter == 'd' && line == "deny") ||
                             (letter == 's' && line == "skip") || (letter == 'q' && line == "quit");
        if (!is_word) return ask();
        reason.clear();
    }
    reason.erase(0, reason.find_first_not_of(' '));
    if (letter == 'q') {
        is_over_ = true;
    } else if (letter == 's') {
        std::printf("%s still waits\n", id.c_str());
        current_.reset();
    } else if ((letter == 'a' && is_seen_whole_) || letter == 'd') {
        if (letter == 'd' && reason.empty()) {
            std::printf("reason, told to the agent (may be empty) > ");
            std::fflush(stdout);
            reason = read_line().value_or("");
        }
        current_.reset();
        decide_hold(context_, {id, letter == 'a', reason, {}, true});
        context_.exit_code = exit_ok;  // a refused answer has been shown; watching goes on
    } else {
        ask();
    }
}

void Screen::run() {
    while (!is_over_) {
        if (!current_ && !waiting_.empty()) {
            const json next = std::move(waiting_.front());
            waiting_.pop_front();
            show(next);
            continue;
        }
        switch (wait()) {
            case Waited::news:
                take_news();
                break;
            case Waited::line: {
                const auto line = read_line();
                if (!line) is_over_ = true;
                if (line && current_) answer(*line);
                if (line && !current_ && line->starts_with('q')) is_over_ = true;
                break;
            }
            case Waited::end:
                is_over_ = true;
        }
    }
}

void stream(Context& context) {
    const auto answer = ask_daemon(context, {{"verb", "holds"}, {"watch", true}}, [&](const json& message) {
        if (context.is_json) {
            print_json_line(message);
            return std::ferror(stdout) == 0;
        }
        const json& hold = member_of(message, "hold");
        if (!hold.is_object()) return true;
        const std::string event = text_of(message, "event");
        std::printf("%s %s: %s\n", text_of(hold, "id").c_str(), event.empty() ? "waiting" : event.c_str(),
                    shown_text(state_text(hold)).c_str());
        if (text_of(hold, "state") == "waiting") {
            for (const auto& line : hold_lines(hold, 0)) std::printf("%s\n", line.c_str());
        }
        std::fflush(stdout);
        return std::ferror(stdout) == 0;  // nobody reads on
    });
    static_cast<void>(answer);
}

}  // namespace

void watch_holds(Context& context) {
    if (context.is_json || ::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) return stream(context);
    const auto socket = context.control_socket();
    if (!socket) return;
    const auto inbox = std::make_shared<Inbox>();
    // It waits in a read until the daemon says something, so it is left behind when the person quits.
    std::thread([inbox, socket = *socket] {
        auto ended = control::ask(socket, {{"verb", "holds"}, {"watch", true}}, [&](const json& message) {
            inbox->put(message);
            return true;
        });
        inbox->end(ended ? Error{Errc::unavailable, "assentd ended the watch"} : ended.error());
    }).detach();
    Screen(context, inbox).run();
}

}  // namespace assent::cli
