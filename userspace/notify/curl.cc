#include "notify/curl.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>

#include <curl/curl.h>
#include <fmt/format.h>

#include "base/limits.h"

namespace assent::notify {
namespace {

struct EasyFree {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct ListFree {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EasyFree>;
using List = std::unique_ptr<curl_slist, ListFree>;

List list_of(const std::vector<std::string>& texts) {
    List list;
    for (const auto& text : texts) {
        curl_slist* longer = curl_slist_append(list.get(), text.c_str());
        if (longer == nullptr) return nullptr;
        (void)list.release();
        list.reset(longer);
    }
    return list;
}

// What comes back is counted, and not kept.
std::size_t drop_answer(char*, std::size_t size, std::size_t count, void* total) {
    auto& sum = *static_cast<std::size_t*>(total);
    sum += size * count;
    return sum > limits::notice_answer ? 0 : size * count;
}

std::size_t read_message(char* out, std::size_t size, std::size_t count, void* rest) {
    auto& left = *static_cast<std::string_view*>(rest);
    const std::size_t taken = std::min(size * count, left.size());
    std::memcpy(out, left.data(), taken);
    left.remove_prefix(taken);
    return taken;
}

struct Transfer {
    Easy handle;
    std::array<char, CURL_ERROR_SIZE> why{};
    std::size_t answered = 0;

    template <typename Value>
    void set(CURLoption option, Value value) {
        if (curl_easy_setopt(handle.get(), option, value) != CURLE_OK) is_wrong = true;
    }
    bool is_wrong = false;

    [[nodiscard]] std::string reason(CURLcode code) const {
        return why[0] != '\0' ? std::string(why.data()) : std::string(curl_easy_strerror(code));
    }
};

std::unique_ptr<Transfer> make_transfer(const std::string& url, const char* protocols, const std::filesystem::path& ca) {
    static std::once_flag once;
    std::call_once(once, [] { (void)curl_global_init(CURL_GLOBAL_DEFAULT); });
    auto transfer = std::make_unique<Transfer>();
    transfer->handle.reset(curl_easy_init());
    if (!transfer->handle) return nullptr;
    using std::chrono::milliseconds;
    const long timeout_ms = static_cast<long>(milliseconds(limits::notice_timeout).count());
    transfer->set(CURLOPT_URL, url.c_str());
    transfer->set(CURLOPT_PROTOCOLS_STR, protocols);
    transfer->set(CURLOPT_FOLLOWLOCATION, 0L);
    transfer->set(CURLOPT_NOSIGNAL, 1L);
    transfer->set(CURLOPT_TIMEOUT_MS, timeout_ms);
    transfer->set(CURLOPT_CONNECTTIMEOUT_MS, timeout_ms / 2);
    transfer->set(CURLOPT_ERRORBUFFER, transfer->why.data());
    transfer->set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    transfer->set(CURLOPT_SSL_VERIFYPEER, 1L);
    transfer->set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!ca.empty()) transfer->set(CURLOPT_CAINFO, ca.c_str());
    transfer->set(CURLOPT_WRITEFUNCTION, &drop_answer);
    transfer->set(CURLOPT_WRITEDATA, &transfer->answered);
    return transfer;
}

// RFC 5321: 4yz may pass, 5yz does not.
constexpr long for_good = 500;

}  // namespace

Result<long> http_post(const HttpPost& request) {
    const auto transfer = make_transfer(request.url, "http,https", request.ca);
    const List headers = list_of(request.headers);
    if (!transfer || (!headers && !request.headers.empty()))
        return fail(Errc::unavailable, "there is no memory for a request");
    transfer->set(CURLOPT_POSTFIELDS, request.body.data());
    transfer->set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    transfer->set(CURLOPT_HTTPHEADER, headers.get());
    transfer->set(CURLOPT_USERAGENT, "assent");
    if (transfer->is_wrong) return fail(Errc::internal, "libcurl does not take the request");
    const CURLcode code = curl_easy_perform(transfer->handle.get());
    long status = 0;
    (void)curl_easy_getinfo(transfer->handle.get(), CURLINFO_RESPONSE_CODE, &status);
    // A longer answer than is read is an answer.
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && status != 0))
        return fail(Errc::unavailable, transfer->reason(code));
    return status;
}

Result<> send_mail(const MailPost& mail) {
    const bool is_tls = mail.tls == MailPost::Tls::tls;
    const bool is_v6 = mail.host.find(':') != std::string::npos;
    const auto url =
        fmt::format("{}://{}{}{}:{}", is_tls ? "smtps" : "smtp", is_v6 ? "[" : "", mail.host, is_v6 ? "]" : "", mail.port);
    const auto transfer = make_transfer(url, "smtp,smtps", mail.ca);
    const List recipients = list_of(mail.to);
    if (!transfer || !recipients) return fail(Errc::unavailable, "there is no memory for a mail");
    const std::string from = "<" + mail.from + ">";
    std::string_view rest = mail.message;
    if (mail.tls != MailPost::Tls::none) transfer->set(CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
    if (!mail.user.empty()) {
        transfer->set(CURLOPT_USERNAME, mail.user.c_str());
        transfer->set(CURLOPT_PASSWORD, mail.password.c_str());
    }
    transfer->set(CURLOPT_MAIL_FROM, from.c_str());
    transfer->set(CURLOPT_MAIL_RCPT, recipients.get());
    transfer->set(CURLOPT_READFUNCTION, &read_message);
    transfer->set(CURLOPT_READDATA, &rest);
    transfer->set(CURLOPT_UPLOAD, 1L);
    if (transfer->is_wrong) return fail(Errc::internal, "libcurl does not take the mail");
    const CURLcode code = curl_easy_perform(transfer->handle.get());
    if (code == CURLE_OK) return {};
    long status = 0;
    (void)curl_easy_getinfo(transfer->handle.get(), CURLINFO_RESPONSE_CODE, &status);
    return fail(status >= for_good ? Errc::invalid : Errc::unavailable, transfer->reason(code));
}

}  // namespace assent::notify
