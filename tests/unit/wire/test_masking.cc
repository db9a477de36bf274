#include <gtest/gtest.h>

#include "wire/postgres/copy_masking.h"
#include "wire/postgres/masking.h"
#include "wire/postgres/protocol.h"

namespace assent::wire::postgres {
namespace {

using namespace std::string_view_literals;
using model::CopyFormat;
using model::MaskKind;
using model::MaskMethod;

constexpr ColumnShape text{25, false};
constexpr ColumnShape number{23, false};
const Digest key = sha256(as_bytes("a key"));

std::string masked(const MaskMethod& method, std::string_view value, ColumnShape shape = text) {
    ByteVector out;
    return mask_value(method, shape, as_bytes(value), key, out) ? std::string(as_text(out)) : "(null)";
}

MaskMethod partial(unsigned first, unsigned last) {
    return {.kind = MaskKind::partial, .keep_first = first, .keep_last = last};
}

model::ResultMasks second_column(MaskMethod method) {
    model::ResultMasks masks;
    masks.columns.resize(3);
    masks.columns[1] = {.method = method, .masks = {"m"}};
    return masks;
}

TEST(Masking, EachMethodHidesText) {
    EXPECT_EQ(masked({.kind = MaskKind::redact}, "4111"), "[redacted]");
    EXPECT_EQ(masked({.kind = MaskKind::null}, "4111"), "(null)");
    EXPECT_EQ(masked(partial(0, 4), "4111111111111111"), "************1111");
    EXPECT_EQ(masked(partial(2, 1), "abcdefgh"), "ab*****h");
    const std::string hash = masked({.kind = MaskKind::hash}, "4111");
    EXPECT_TRUE(hash.starts_with("masked:"));
    EXPECT_EQ(hash.size(), 23U);
    EXPECT_EQ(hash, masked({.kind = MaskKind::hash}, "4111"));
    EXPECT_NE(hash, masked({.kind = MaskKind::hash}, "4112"));
}

TEST(Masking, PartialNeverShowsMoreThanHalf) {
    EXPECT_EQ(masked(partial(0, 4), "1234"), "****");
    EXPECT_EQ(masked(partial(0, 4), "1234567"), "*******");
    EXPECT_EQ(masked(partial(0, 4), "12345678"), "****5678");
    EXPECT_EQ(masked(partial(0xffff'ffffU, 0xffff'ffffU), "12345678"), "********");
    EXPECT_EQ(masked(partial(1, 0), ""), "");
}

TEST(Masking, PartialCountsCharactersNotBytes) {
    EXPECT_EQ(masked(partial(1, 1), "ñandúes"), "ñ*****s");
    EXPECT_EQ(masked(partial(0, 1), "日本語です"), "****す");
    EXPECT_EQ(masked(partial(0, 1), "\xff\xfe\xfd"sv), "**\xfd");  // another encoding: bytes
}

TEST(Masking, OtherTypesBecomeNull) {
    for (const auto kind : {MaskKind::redact, MaskKind::hash, MaskKind::partial, MaskKind::null}) {
        EXPECT_EQ(masked({.kind = kind, .keep_first = 1}, "12345678", number), "(null)");
        EXPECT_EQ(masked({.kind = kind, .keep_first = 1}, "12345678", {}), "(null)");  // type not known
    }
    EXPECT_EQ(masked({.kind = MaskKind::redact}, "{}", {114, false}), "\"[redacted]\"");
    EXPECT_EQ(masked({.kind = MaskKind::redact}, "{}", {3802, true}), "\x01\"[redacted]\"");
    EXPECT_EQ(masked({.kind = MaskKind::hash}, "{}", {3802, true}), "(null)");
}

ByteVector row(std::initializer_list<std::optional<std::string_view>> values) {
    ByteVector out;
    MessageWriter writer(out);
    writer.begin('D').u16(static_cast<std::uint16_t>(values.size()));
    for (const auto& value : values) {
        writer.u32(value ? static_cast<std::uint32_t>(value->size()) : 0xffff'ffffU);
        if (value) writer.bytes(as_bytes(*value));
    }
    writer.end();
    return out;
}

TEST(Masking, ARowIsMaskedByItsColumns) {
    const std::vector<ColumnShape> shapes = {text, text, number};
    ByteVector out;
    EXPECT_EQ(mask_row(row({"a", "secret", "1"}), second_column({.kind = MaskKind::redact}), shapes, key, out), 1);
    EXPECT_EQ(out, row({"a", "[redacted]", "1"}));
    out.clear();
    EXPECT_EQ(mask_row(row({"a", std::nullopt, "1"}), second_column({.kind = MaskKind::redact}), shapes, key, out), 0);
    EXPECT_EQ(out, row({"a", std::nullopt, "1"}));
}

TEST(Masking, ARowOfAnotherWidthIsMaskedWhole) {
    ByteVector out;
    EXPECT_EQ(mask_row(row({"a", "secret"}), second_column({.kind = MaskKind::redact}), {}, key, out), 2);
    EXPECT_EQ(out, row({std::nullopt, std::nullopt}));
}

TEST(Masking, AMalformedRowIsNeverPassed) {
    ByteVector good = row({"a", "secret", "1"});
    for (std::size_t size = header_size; size < good.size(); ++size) {
        ByteVector out;
        EXPECT_EQ(mask_row(Bytes(good).first(size), second_column({.kind = MaskKind::redact}), {}, key, out), -1) << size;
    }
    good.push_back(std::byte{0});
    ByteVector out;
    EXPECT_EQ(mask_row(good, second_column({.kind = MaskKind::redact}), {}, key, out), -1);
}

std::string copied(CopyMasker& masker, std::string_view body, const model::ResultMasks& masks) {
    ByteVector message;
    MessageWriter(message).begin('d').bytes(as_bytes(body)).end();
    ByteVector out;
    if (masker.mask(message, masks, out) < 0) return "(refused)";
    return std::string(as_text(Bytes(out).subspan(header_size)));
}

model::CopyLayout layout_of(CopyFormat format) {
    model::CopyLayout layout;
    layout.format = format;
    layout.types = {25, 25, 23};
    if (format == CopyFormat::csv) {
        layout.delimiter = ',';
        layout.null.clear();
    }
    return layout;
}

TEST(CopyMasking, TextRowsKeepTheirShape) {
    CopyMasker masker(layout_of(CopyFormat::text), key);
    const auto masks = second_column(partial(0, 2));
    EXPECT_EQ(copied(masker, "a\tsecret\t1\nb\t\\N\t2\n", masks), "a\t****et\t1\nb\t\\N\t2\n");
    EXPECT_EQ(copied(masker, "a\tb\n", masks), "\\N\t\\N\n");  // another width
    EXPECT_EQ(copied(masker, "a\tsecret\t1", masks), "(refused)");
    EXPECT_EQ(masker.rows(), 3U);
}

TEST(CopyMasking, AnEscapedCharacterIsOneCharacter) {
    CopyMasker masker(layout_of(CopyFormat::text), key);
    EXPECT_EQ(copied(masker, "a\tab\\tc\\\\\\x41\\101\t1\n", second_column(partial(0, 3))), "a\t****\\\\AA\t1\n");
}

TEST(CopyMasking, BinaryRowsKeepTheirShape) {
    constexpr auto header = "PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"sv;
    constexpr auto values = "\0\3\0\0\0\1a\0\0\0\6secret\0\0\0\4\0\0\0\1"sv;
    CopyMasker masker(layout_of(CopyFormat::binary), key);
    const auto masks = second_column({.kind = MaskKind::redact});
    EXPECT_EQ(copied(masker, std::string(header) + std::string(values), masks),
              std::string(header) + std::string("\0\3\0\0\0\1a\0\0\0\12[redacted]\0\0\0\4\0\0\0\1"sv));
    EXPECT_EQ(copied(masker, "\xff\xff"sv, masks), "\xff\xff");
    EXPECT_EQ(copied(masker, values, masks), "(refused)");  // behind the end
}

TEST(CopyMasking, TextHasItsOwnDelimiterNullAndHeader) {
    auto layout = layout_of(CopyFormat::text);
    layout.delimiter = '|';
    layout.null = "\\0";
    layout.has_header = true;
    CopyMasker masker(layout, key);
    EXPECT_EQ(copied(masker, "a|b|c\n", second_column(partial(0, 3))), "a|b|c\n");
    EXPECT_EQ(copied(masker, "a|b|c\n", second_column(partial(0, 3))), "a|*|c\n") << "only the first row is one of names";
    EXPECT_EQ(copied(masker, "x\ty|ab\\|cd\\|ef|1\nb|\\0|2\n", second_column(partial(0, 3))),
              "x\ty|*****\\|ef|1\nb|\\0|2\n");
    EXPECT_EQ(copied(masker, "a|b\\", second_column(partial(0, 3))), "(refused)");
}

TEST(CopyMasking, CsvIsQuotedByWhatTheMaskGivesAndNotByWhatItHides) {
    CopyMasker masker(layout_of(CopyFormat::csv), key);
    const auto redacted = second_column({.kind = MaskKind::redact});
    for (const char* secret : {"plain", "\"a,b\"", "\"a\nb\"", "\"say \"\"x\"\"\"", "\"\"", "\" \""}) {
        EXPECT_EQ(copied(masker, std::string("a,") + secret + ",1\n", redacted), "a,[redacted],1\n") << secret;
    }
    EXPECT_EQ(copied(masker, "\"x,y\",,1\n", redacted), "\"x,y\",,1\n") << "NULL stays NULL";
    EXPECT_EQ(copied(masker, "a,\"1234567,\"\"\",1\n", second_column(partial(0, 3))), "a,\"******7,\"\"\",1\n");
    EXPECT_EQ(copied(masker, "\"a\nb\",s,1\nc,s,2\n", redacted), "\"a\nb\",[redacted],1\nc,[redacted],2\n");
    for (const char* broken : {"a,\"s,1\n", "a,s\"t,1\n", "a,\"s\"t,1\n", "a,s,1"}) {
        EXPECT_EQ(copied(masker, broken, redacted), "(refused)") << broken;
    }
    auto layout = layout_of(CopyFormat::csv);
    layout.quote = '\'';
    layout.escape = 'x';
    layout.null = "none";
    layout.quoted_columns = {1};
    CopyMasker other(layout, key);
    EXPECT_EQ(copied(other, "a,'itx's xxl',1\nb,none,2\nc,'none',3\n", second_column(partial(0, 3))),
              "a,'**** xxl',1\nb,none,2\nc,'****',3\n");
}

TEST(CopyMasking, OtherFormatsAreRefused) {
    CopyMasker csv(layout_of(CopyFormat::other), key);
    EXPECT_EQ(copied(csv, "a,secret,1\n", second_column({.kind = MaskKind::redact})), "(refused)");
    CopyMasker binary(layout_of(CopyFormat::binary), key);
    EXPECT_EQ(copied(binary, "a\tsecret\t1\n", second_column({.kind = MaskKind::redact})), "(refused)");
}

}  // namespace
}  // namespace assent::wire::postgres
