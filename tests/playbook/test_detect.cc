// A flow that will be refused, as at an unlisted target: who speaks PostgreSQL hears why, whatever the cut of its bytes.
#include "base/limits.h"
#include "playbook/playbook.h"

namespace assent::test {
namespace {

Playbook detecting() {
    Playbook::Settings settings;
    settings.is_detected = true;
    settings.rulings[""] = {refused()};
    return Playbook(std::move(settings));
}

const std::string nobody = "startup 1 [] @\nfinished 1 refused 42501 assent: no\nclosed: the session was refused\n";

TEST(Detect, WhoSpeaksPostgresIsToldInItsProtocol) {
    detecting().agent(startup()).becomes(
        "startup 1 [] ana@shop\nfinished 1 refused 42501 assent: no\n"
        "agent  < E(SFATAL.VFATAL.C42501.Massent: no..)\nclosed: the session was refused\n");
}

TEST(Detect, WhoAsksForTlsOrGssFirstIsToldWithoutThem) {
    const auto told =
        "startup 1 [] ana@shop\nfinished 1 refused 42501 assent: no\n"
        "agent  < E(SFATAL.VFATAL.C42501.Massent: no..)\nclosed: the session was refused\n";
    detecting().agent(ssl_request()).agent(startup()).becomes(std::string("agent  < ?(N)\n") + told);
    detecting()
        .agent(gss_request())
        .agent(ssl_request())
        .agent(startup())
        .becomes(std::string("agent  < ?(N)\nagent  < ?(N)\n") + told);
}

TEST(Detect, ACancelReachesNobodyButTheKeysOfAssent) {
    detecting().agent(cancel_request(7, 8)).becomes("cancel 7 8\nclosed: a cancel request\n");
}

TEST(Detect, OtherProtocolsAreRefusedAndClosed) {
    detecting().agent("GET / HTTP/1.1\r\n\r\n").becomes(nobody);
    detecting().agent(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)).becomes(nobody);  // TLS at once
    detecting().agent("*1\r\n$4\r\nPING\r\n").becomes(nobody);
}

TEST(Detect, AStartUpThatCannotBeOneIsNobodysProtocol) {
    detecting().agent(u32(7) + u32(3U << 16U)).becomes(nobody);  // shorter than itself
    detecting().agent(u32(static_cast<std::uint32_t>(limits::startup_message_size) + 1) + u32(3U << 16U)).becomes(nobody);
    detecting().agent(startup({"user", "ana"}, 2U << 16U)).becomes(nobody);
}

TEST(Detect, PatienceEndsWithoutTheFirstBytes) {
    detecting().proceed().becomes(nobody);
    detecting().agent(startup().substr(0, 7)).proceed().becomes(nobody);
    detecting().agent(startup().substr(0, 7)).leaves(Side::agent).becomes(nobody);
    detecting().agent(startup().substr(0, 7)).terminate("stopping").becomes(nobody);
}

TEST(Detect, NothingReachesATarget) {
    for (const auto& bytes :
         {startup() + query("SELECT 1"), ssl_request() + startup(), std::string("GET / HTTP/1.1\r\n\r\n")}) {
        const auto outcome = detecting().agent(bytes).outcome();
        EXPECT_EQ(outcome.find("connect"), std::string::npos) << outcome;
        EXPECT_EQ(outcome.find("server <"), std::string::npos) << outcome;
    }
}

}  // namespace
}  // namespace assent::test
