// The host's resolvers, and how each of them does. Thread: any.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/address.h"

namespace assent::resolve {

struct UpstreamStatus {
    model::Endpoint address;
    std::uint64_t asked = 0;
    std::uint64_t answered = 0;
    std::uint64_t failed = 0;       // no answer in time, or none at all
    std::uint64_t in_a_row = 0;     // failures since the last answer
    std::int64_t last_time_us = 0;  // that its last answer took
    std::string last_failure;
    [[nodiscard]] bool is_healthy() const noexcept { return in_a_row < 3; }
};

class Upstreams {
public:
    // Those that stay keep their history; of more than limits::dns_resolvers the last are left out.
    void set(const std::vector<model::Endpoint>& addresses);
    // Whom to ask, in this order: the one that the agent wanted first, if it is one of them; those that fail last.
    [[nodiscard]] std::vector<model::Endpoint> in_order(const model::Endpoint& wanted) const;

    void asked(const model::Endpoint& address);
    void answered(const model::Endpoint& address, Duration time);
    void failed(const model::Endpoint& address, std::string_view why);
    [[nodiscard]] std::vector<UpstreamStatus> status() const;

private:
    [[nodiscard]] UpstreamStatus* find(const model::Endpoint& address);

    mutable std::mutex mutex_;
    std::vector<UpstreamStatus> known_;
};

}  // namespace assent::resolve
