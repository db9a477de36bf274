// Any text through the parser and the analysis, with a catalog, masks and prepared statements: no crash, no exception, and
// what is not understood is never taken for nothing.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "sql/analyse.h"
#include "sql/lexer.h"
#include "sql/shape.h"

namespace {

using namespace assent;

class SomeMasks : public sql::MaskLookup {
public:
    [[nodiscard]] std::vector<sql::MaskedColumn> masks_of(std::string_view, std::string_view,
                                                          std::string_view column) const override {
        if (column != "ssn") return {};
        return {{"ids", {model::MaskKind::partial, 0, 4}, false}};
    }
    [[nodiscard]] bool may_mask(std::string_view, std::string_view) const override { return true; }
};

const sql::Catalog& catalog() {
    static const sql::Catalog shop = [] {
        auto read = sql::Catalog::from_yaml(
            "relations: [{name: public.c, columns: [id, ssn]}, {name: public.v, kind: view, columns: [a], reaches: "
            "[public.c]}]\n"
            "functions: [public.f]\n");
        return read ? *std::move(read) : sql::Catalog();
    }();
    return shop;
}

// Other constants in the same places.
std::string with_other_constants(std::string_view key) {
    std::string out;
    for (const char c : key)
        out += c == '\x01' ? std::string("70") : c == '\x02' ? std::string("'***1'") : std::string(1, c);
    return out;
}

// A tree that is lent says what the text's own would.
void check_lending(std::string_view text, const sql::Parsed& parsed, const sql::Environment& environment) {
    sql::Shape shape;
    if (!shape.read(text) || !sql::may_lend_tree(parsed, shape)) return;
    const std::string other = with_other_constants(shape.key);
    const auto lent = sql::with_text(parsed, other);
    const auto own = sql::parse(other);
    if (lent->relations != own->relations || lent->functions != own->functions || lent->failure != own->failure)
        std::abort();
    if (sql::analyse(*lent, environment) != sql::analyse(*own, environment)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto parsed = sql::parse(text);
    const SomeMasks masks;
    sql::Environment environment;
    environment.catalog = &catalog();
    environment.masks = &masks;
    environment.prepared = [&](std::string_view) { return parsed; };
    const sql::Analysis analysis = sql::analyse(*parsed, environment);
    if (parsed->tree == nullptr && analysis.effects.empty()) std::abort();
    if (parsed->tree != nullptr && analysis.statements.size() != parsed->statement_count) std::abort();
    check_lending(text, *parsed, environment);
    sql::Lexer lexer(text);
    std::size_t end = 0;
    while (const auto token = lexer.next()) {
        if (token->text.empty() || token->offset < end) std::abort();
        end = token->offset + token->text.size();
    }
    return 0;
}
