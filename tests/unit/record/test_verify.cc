// What an auditor finds: every way of tampering is named, with the first record that is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "record/frame.h"
#include "record/segment.h"
#include "record/tree.h"
#include "record/verify.h"
#include "temporary_log.h"

namespace assent::record {
namespace {

using testing::Contains;
using testing::HasSubstr;

struct Piece {
    FrameKind kind;
    std::string payload;
};

// Ten commands with two bodies each, closed properly; then a tamperer who knows the format and repairs checksums.
class VerifyTest : public testing::Test {
protected:
    void write(int count = 10, std::uint64_t segment_size = limits::segment_size, bool changes_log = true) {
        auto options = folder_.options();
        options.segment_size_bytes = segment_size;
        options.checkpoint_interval = std::chrono::hours(1);
        auto log = Log::open(options);
        ASSERT_TRUE(log) << log.error().message;
        for (int i = 0; i < count; ++i) {
            const std::string text = "UPDATE orders SET state = 'sent' WHERE id = " + std::to_string(i);
            const model::RecordBody bodies[] = {{"text", as_bytes(text)}, {"parameters", as_bytes("[]")}};
            ASSERT_TRUE(
                (*log)->append_and_wait({"command", "s-" + std::to_string(i), R"("command":1,"user":"app")", bodies, true}));
        }
        if (changes_log) (*log)->close();
    }
    std::filesystem::path records() const { return folder_.path() / "records"; }
    std::filesystem::path segment(std::uint64_t first = 0) const { return records() / segment_file(first); }

    std::vector<Piece> pieces(std::uint64_t first = 0) const {
        const std::string text = read_whole(segment(first));
        std::vector<Piece> out;
        for (Bytes rest = as_bytes(text).subspan(segment_magic.size()); !rest.empty();) {
            const Frame frame = read_frame(rest);
            EXPECT_EQ(frame.fault, FrameFault::none);
            if (frame.fault != FrameFault::none) break;
            out.push_back({frame.kind, std::string(as_text(frame.payload))});
            rest = rest.subspan(frame.size);
        }
        return out;
    }
    void put(const std::vector<Piece>& all, std::uint64_t first = 0) const {
        std::string text(segment_magic);
        for (const auto& piece : all) append_frame(text, piece.kind, piece.payload);
        write_whole(segment(first), text);
    }
    void flip(const std::filesystem::path& file, std::size_t offset) const {
        std::string text = read_whole(file);
        ASSERT_LT(offset, text.size());
        text[offset] = static_cast<char>(text[offset] ^ 1);
        write_whole(file, text);
    }
    // The frames of record `seq`: two bodies and the leaf.
    static std::size_t begin_of(std::uint64_t seq) { return 1 + seq * 3; }

    VerifyReport check(std::optional<std::filesystem::path> checkpoint = std::nullopt) const {
        const auto report = verify({records(), folder_.path() / "keys/log.pub", checkpoint, {}});
        EXPECT_TRUE(report) << report.error().message;
        return report.value_or(VerifyReport{});
    }
    Finding finding(std::optional<std::filesystem::path> checkpoint = std::nullopt) const {
        const auto report = check(std::move(checkpoint));
        EXPECT_TRUE(report.finding) << "tampering was not found";
        return report.finding.value_or(Finding{});
    }

    TemporaryFolder folder_;
};

TEST_F(VerifyTest, IntactLogIsIntact) {
    write();
    const auto report = check();
    EXPECT_FALSE(report.finding) << report.finding->detail;
    EXPECT_EQ(report.records, 10);
    EXPECT_EQ(report.bodies, 20);
    EXPECT_EQ(report.covered_records, 10);
    EXPECT_EQ(report.origin, "assent/test");
    EXPECT_THAT(report.notes, testing::IsEmpty());
    EXPECT_THAT(report.cannot_exclude, Contains(HasSubstr("older state")));
}

TEST_F(VerifyTest, IntactOverManySegmentsAndRestarts) {
    for (int round = 0; round < 3; ++round) write(10, 2000);
    const auto report = check();
    EXPECT_FALSE(report.finding) << report.finding->detail;
    EXPECT_EQ(report.records, 30);
    EXPECT_GT(report.segments, 5);
}

TEST_F(VerifyTest, EmptyLogIsIntact) {
    write(0);
    EXPECT_FALSE(check().finding);
}

// Whatever byte of the log is changed, it is found.
TEST_F(VerifyTest, EveryByteCounts) {
    write(3);
    const std::string whole = read_whole(segment());
    for (std::size_t offset = 0; offset < whole.size(); ++offset) {
        flip(segment(), offset);
        EXPECT_TRUE(check().finding) << "byte " << offset;
        write_whole(segment(), whole);
    }
}

TEST_F(VerifyTest, EditedByteNamesItsRecord) {
    write();
    const std::string text = read_whole(segment());
    flip(segment(), text.find("WHERE id = 6"));
    const auto found = finding();
    EXPECT_EQ(found.wrong, Wrong::edited);
    EXPECT_EQ(found.seq, 6);
    EXPECT_EQ(found.session, "s-6");
    EXPECT_EQ(found.segment, segment_file(0));
    EXPECT_THAT(found.time, testing::MatchesRegex("20..-..-..T.*Z"));
}

TEST_F(VerifyTest, EditedLeafWithCorrectedChecksumIsNamed) {
    write();
    auto all = pieces();
    auto& leaf = all[begin_of(4) + 2].payload;
    leaf.replace(leaf.find("app"), 3, "ana");
    put(all);
    const auto found = finding();
    EXPECT_EQ(found.wrong, Wrong::edited);
    EXPECT_EQ(found.seq, 4);
    EXPECT_EQ(found.session, "s-4");
}

TEST_F(VerifyTest, EditedBodyWithCorrectedChecksumIsNamed) {
    write();
    auto all = pieces();
    all[begin_of(7)].payload = "SELECT 1";
    put(all);
    const auto found = finding();
    EXPECT_EQ(found.wrong, Wrong::edited);
    EXPECT_EQ(found.seq, 7);
    EXPECT_THAT(found.detail, HasSubstr("'text'"));
}

// The tamperer corrects checksum, digest and the hashes beside the segment: the checkpoint still shows it, and between which
// records.
TEST_F(VerifyTest, PatientTampererIsFoundByTheCheckpoint) {
    write();
    auto all = pieces();
    auto& leaf = all[begin_of(4) + 2].payload;
    leaf.replace(leaf.find("app"), 3, "ana");
    put(all);
    std::string hashes = read_whole(records() / segment_file(0, hashes_suffix));
    hashes.replace(4 * sizeof(Digest), sizeof(Digest), as_text(leaf_hash(as_bytes(leaf))));
    write_whole(records() / segment_file(0, hashes_suffix), hashes);
    const auto found = finding();
    EXPECT_EQ(found.wrong, Wrong::edited);
    EXPECT_LE(found.seq, 4);
    EXPECT_GE(found.last_seq, 4);
}

TEST_F(VerifyTest, RemovedRecordIsMissing) {
    write();
    auto all = pieces();
    all.erase(all.begin() + static_cast<long>(begin_of(5)), all.begin() + static_cast<long>(begin_of(6)));
    put(all);
    const auto found = finding();
    EXPECT_EQ(found.wrong, Wrong::missing);
    EXPECT_EQ(found.seq, 5);
}

TEST_F(VerifyTest, SwappedRecordsAreReordered) {
    write();
    auto all = pieces();
    std::swap_ranges(all.begin() + static_cast<long>(begin_of(2)), all.begin() + static_cast<long>(begin_of(3)),
                     all.begin() + static_cast<long>(begin_of(3)));
    put(all);
    const auto found = finding();
    EXPECT_EQ(found.wrong, Wrong::reordered);
    EXPECT_EQ(found.seq, 2);
    EXPECT_EQ(found.session, "s-2");
}

TEST_F(VerifyTest, RepeatedRecordIsReordered) {
    write();
    auto all = pieces();
    const std::vector<Piece> copy(all.begin() + static_cast<long>(begin_of(2)),
                                  all.begin() + static_cast<long>(begin_of(3)));
    all.insert(all.begin() + static_cast<long>(begin_of(5)), copy.begin(), copy.end());
    put(all);
    EXPECT_EQ(finding().wrong, Wrong::reordered);
}

TEST_F(VerifyTest, CutTailIsTruncated) {
    write();
    auto all = pieces();
    all.resize(begin_of(8));
    put(all);
    const auto found = finding();
    EXPECT_EQ(found.wrong, Wrong::truncated);
    EXPECT_EQ(found.seq, 8);
    EXPECT_EQ(found.last_seq, 9);
}

TEST_F(VerifyTest, CutInTheMiddleOfAFrameIsTruncated) {
    write();
    const std::string text = read_whole(segment());
    write_whole(segment(), std::string_view(text).substr(0, text.find("WHERE id = 8")));
    const auto found = finding();
    EXPECT_EQ(found.wrong, Wrong::truncated);
    EXPECT_EQ(found.seq, 8);
}

// Tail and checkpoint cut together: only what was kept elsewhere can show it, and the report says so.
TEST_F(VerifyTest, RolledBackFolderIsFoundByACheckpointKeptElsewhere) {
    write(5);
    const auto old = folder_.path() / "old";
    std::filesystem::copy(records(), old);
    write(5);
    const auto kept = folder_.path() / "kept";
    std::filesystem::copy_file(records() / "checkpoint", kept);
    EXPECT_FALSE(check(kept).finding);
    std::filesystem::remove_all(records());
    std::filesystem::rename(old, records());
    const auto without = check();
    EXPECT_FALSE(without.finding);
    EXPECT_THAT(without.cannot_exclude, Contains(HasSubstr("older state")));
    const auto found = finding(kept);
    EXPECT_EQ(found.wrong, Wrong::truncated);
    EXPECT_EQ(found.seq, 5);
}

TEST_F(VerifyTest, OlderCheckpointKeptElsewhereIsAPrefix) {
    write(5);
    const auto kept = folder_.path() / "kept";
    std::filesystem::copy_file(records() / "checkpoint", kept);
    write(5);
    const auto report = check(kept);
    EXPECT_FALSE(report.finding) << report.finding->detail;
    EXPECT_THAT(report.cannot_exclude, testing::Not(Contains(HasSubstr("older state"))));
}

TEST_F(VerifyTest, RewrittenLogWithAnotherKeyIsFound) {
    write(5);
    const std::string key = read_whole(folder_.path() / "keys/log.pub");
    std::filesystem::remove_all(records());
    std::filesystem::remove_all(folder_.path() / "keys");
    write(5);
    write_whole(folder_.path() / "keys/log.pub", key);
    EXPECT_THAT(finding().detail, HasSubstr("no signature of this key"));
}

TEST_F(VerifyTest, RemovedSegmentIsMissing) {
    write(20, 2000);
    const auto names = list_segments(records());
    ASSERT_GT(names->size(), 3);
    const auto gone = (*names)[1].first;
    std::filesystem::remove(segment(gone));
    EXPECT_EQ(finding().wrong, Wrong::missing);
    EXPECT_EQ(finding().seq, gone);
    std::filesystem::remove(records() / segment_file(gone, hashes_suffix));
    EXPECT_EQ(finding().wrong, Wrong::missing);
    EXPECT_EQ(finding().seq, gone);
}

// The oldest segment may go by pruning only, and pruning leaves a record.
TEST_F(VerifyTest, RemovedOldestSegmentWithoutARecordIsMissing) {
    write(20, 2000);
    std::filesystem::remove(segment());
    const auto found = finding();
    EXPECT_EQ(found.wrong, Wrong::missing);
    EXPECT_EQ(found.seq, 0);
}

TEST_F(VerifyTest, ErasedBodyLeavesTheTreeWhole) {
    write();
    auto all = pieces();
    auto& body = all[begin_of(3)];
    body = {FrameKind::erased, std::string(body.payload.size(), '\0')};
    put(all);
    const auto report = check();
    EXPECT_FALSE(report.finding) << report.finding->detail;
    EXPECT_EQ(report.erased_bodies, 1);
    EXPECT_THAT(report.cannot_exclude, Contains(HasSubstr("1 bodies that were erased")));
    body.payload.back() = 'x';
    put(all);
    EXPECT_EQ(finding().wrong, Wrong::edited) << "what was erased is zeros";
}

// Somebody who removes the oldest segment adds a record that it was pruned, behind the last checkpoint.
TEST_F(VerifyTest, APruningThatNoCheckpointConfirmsIsSaidToBeOpen) {
    write(20, 2000);
    const auto segments = list_segments(records());
    ASSERT_TRUE(segments);
    const auto records_before = check().records;
    std::filesystem::remove(segment());
    auto last = pieces(segments->back().first);
    last.push_back(
        {FrameKind::leaf,
         R"({"seq":)" + std::to_string(records_before) +
             R"(,"time":"2026-11-22T10:00:00.000000Z","type":"administered","what":"records.pruned","pruned_before":)" +
             std::to_string((*segments)[1].first) + "}"});
    put(last, segments->back().first);
    const auto report = check();
    EXPECT_FALSE(report.finding) << report.finding->detail;
    EXPECT_THAT(report.cannot_exclude, Contains(HasSubstr("somebody else removed the segments")));
}

TEST_F(VerifyTest, UnfinishedEndAfterTheLastCheckpointIsNoTampering) {
    write();
    write_whole(segment(), read_whole(segment()) + std::string("\0\0\1\0B", 5) + "half a body");
    const auto report = check();
    EXPECT_FALSE(report.finding) << report.finding->detail;
    EXPECT_THAT(report.notes, Contains(HasSubstr("not finished")));
}

TEST_F(VerifyTest, DamagedHashesAreNotedOnly) {
    write();
    flip(records() / segment_file(0, hashes_suffix), 70);
    const auto report = check();
    EXPECT_FALSE(report.finding) << report.finding->detail;
    EXPECT_THAT(report.notes, Contains(HasSubstr("leaf hashes")));
}

TEST_F(VerifyTest, ForgedCheckpointIsFound) {
    write();
    std::string note = read_whole(records() / "checkpoint");
    note.replace(note.find("\n10\n"), 4, "\n11\n");
    write_whole(records() / "checkpoint", note);
    EXPECT_THAT(finding().detail, HasSubstr("signature"));
}

TEST_F(VerifyTest, HeaderThatLiesIsFound) {
    write(20, 2000);
    const auto names = list_segments(records());
    const auto first = (*names)[2].first;
    auto all = pieces(first);
    auto header = nlohmann::json::parse(all[0].payload);
    header["frontier"][0] = std::string(64, '0');
    all[0].payload = header.dump();
    put(all, first);
    EXPECT_EQ(finding().wrong, Wrong::edited);
}

TEST_F(VerifyTest, CannotBeMadeWithoutAKey) {
    write(1);
    const auto report = verify({records(), folder_.path() / "no.pub", std::nullopt, {}});
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Errc::not_found);
}

}  // namespace
}  // namespace assent::record
