// A throwaway PostgreSQL on a free loopback port, for tests that need the real one. Everything is gone when it goes.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/fd.h"

namespace assent::test {

inline int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool is_bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                          ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    ::close(fd);
    return is_bound ? ntohs(address.sin_port) : 0;
}

struct Output {
    int status = -1;
    std::string text;  // stdout and stderr
};

// Runs it in a shell, and waits for its end.
inline Output run_shell(const std::string& command) {
    Output output;
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return output;
    const Fd reading(ends[0]);
    Fd writing(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, writing.get(), STDERR_FILENO);
    std::string shell = "sh";
    std::string flag = "-c";
    std::string text = command;
    const std::array<char*, 4> arguments = {shell.data(), flag.data(), text.data(), nullptr};
    pid_t child = -1;
    const int failure = ::posix_spawn(&child, "/bin/sh", &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    writing.reset();
    if (failure != 0) return output;
    std::array<char, 4096> buffer{};
    for (ssize_t size = 1; size > 0;) {
        size = ::read(reading.get(), buffer.data(), buffer.size());
        if (size > 0) output.text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return output;
}

class RealServer {
public:
    // Users: `postgres` (trust), `scram_user`, `md5_user`, `clear_user` by those methods with the password "secret word".
    RealServer() : port_(free_port()) {
        char name[] = "/tmp/assent-wire-XXXXXX";
        if (::mkdtemp(name) == nullptr) return;
        folder_ = name;
        const std::string bin = "$(ls -d /usr/lib/postgresql/*/bin | tail -1)";
        if (::getuid() == 0) run_shell("chown postgres " + folder_);
        as_postgres(bin + "/initdb -D " + data() + " -A trust -U postgres -E UTF8 --no-sync --locale=C");
        std::ofstream(data() + "/pg_hba.conf")
            << "host all scram_user all scram-sha-256\nhost all md5_user all md5\n"
               "host all clear_user all password\nhost all refused_user all reject\n"
               "host all all all trust\nhost replication all all trust\nlocal all all trust\n";
        const Output started =
            as_postgres(bin + "/pg_ctl -w -D " + data() + " -l " + folder_ + "/log -o '-p " + std::to_string(port_) +
                        " -c listen_addresses=127.0.0.1 -c unix_socket_directories=" + folder_ +
                        " -c fsync=off -c shared_buffers=16MB -c wal_level=logical -c max_prepared_transactions=2'"
                        " start");
        is_running_ = started.status == 0;
        if (!is_running_) std::fprintf(stderr, "%s\n", started.text.c_str());
        psql(
            "CREATE USER scram_user PASSWORD 'secret word'; CREATE USER clear_user PASSWORD 'secret word'; CREATE USER "
            "refused_user;"
            "SET password_encryption = md5; CREATE USER md5_user PASSWORD 'secret word'");
    }
    ~RealServer() {
        if (folder_.empty()) return;
        as_postgres("$(ls -d /usr/lib/postgresql/*/bin | tail -1)/pg_ctl -D " + data() + " -m immediate stop");
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    RealServer(const RealServer&) = delete;
    RealServer& operator=(const RealServer&) = delete;

    [[nodiscard]] bool is_running() const { return is_running_; }
    [[nodiscard]] int port() const { return port_; }
    [[nodiscard]] std::string log() const {
        std::ifstream file(folder_ + "/log");
        return {std::istreambuf_iterator<char>(file), {}};
    }
    // Past the relay.
    Output psql(const std::string& sql) const { return psql_at(port_, sql); }
    static Output psql_at(int port, const std::string& sql, const std::string& user = "postgres",
                          const std::string& flags = "-qAt") {
        return run_shell("PGPASSWORD='secret word' timeout 30 psql -X -w " + flags + " -h 127.0.0.1 -p " +
                         std::to_string(port) + " -U " + user + " -d postgres <<'THE_END'\n" + sql + "\nTHE_END");
    }

private:
    [[nodiscard]] std::string data() const { return folder_ + "/data"; }
    static Output as_postgres(const std::string& command) {
        if (::getuid() != 0) return run_shell("cd / && " + command + " </dev/null");
        return run_shell("cd / && setpriv --reuid=postgres --regid=postgres --clear-groups " + command + " </dev/null");
    }

    int port_;
    std::string folder_;
    bool is_running_ = false;
};

}  // namespace assent::test
