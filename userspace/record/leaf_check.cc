#include "record/leaf_check.h"

#include <simdjson.h>

#include <fmt/format.h>

#include "model/record.h"
#include "record/encoding.h"

namespace assent::record {
namespace {

namespace dom = simdjson::dom;

std::optional<std::string> check_body(std::string_view name, const dom::element& value, const BodySeen& body) {
    std::string_view hex;
    std::uint64_t size = 0;
    std::uint64_t stored = 0;
    if (value["sha256"].get(hex) != simdjson::SUCCESS || value["size"].get(size) != simdjson::SUCCESS) {
        return fmt::format("the entry of its body '{}' has no digest or size", name);
    }
    if (value["stored"].get(stored) != simdjson::SUCCESS) stored = size;
    if (stored != body.size) return fmt::format("its body '{}' has {} bytes, not {}", name, body.size, stored);
    if (!body.is_erased && digest_from_hex(hex) != body.digest)
        return fmt::format("its body '{}' does not have the digest that the record names", name);
    return std::nullopt;
}

std::optional<std::string> check_bodies(const dom::element& leaf, const std::vector<BodySeen>& bodies) {
    dom::object named;
    const auto error = leaf["bodies"].get(named);
    if (error == simdjson::NO_SUCH_FIELD) {
        if (bodies.empty()) return std::nullopt;
        return "a body stands before it that it does not name";
    }
    if (error != simdjson::SUCCESS) return "its list of bodies cannot be read";
    std::size_t index = 0;
    for (const auto field : named) {
        if (index == bodies.size()) return fmt::format("its body '{}' is not there", field.key);
        if (auto problem = check_body(field.key, field.value, bodies[index])) return problem;
        ++index;
    }
    if (index != bodies.size()) return "a body stands before it that it does not name";
    return std::nullopt;
}

}  // namespace

struct LeafChecker::Parser {
    dom::parser parser;
};

LeafChecker::LeafChecker() : parser_(std::make_unique<Parser>()) {}
LeafChecker::~LeafChecker() = default;

LeafChecked LeafChecker::check(std::string_view leaf, const std::vector<BodySeen>& bodies) {
    LeafChecked out;
    dom::element json;
    if (parser_->parser.parse(leaf.data(), leaf.size()).get(json) != simdjson::SUCCESS || !json.is_object()) {
        out.problem = "it is not a line of JSON";
        return out;
    }
    out.problem = check_bodies(json, bodies);
    std::string_view type;
    std::uint64_t before = 0;
    if (json["type"].get(type) == simdjson::SUCCESS && type == model::record_type::administered &&
        json["pruned_before"].get(before) == simdjson::SUCCESS) {
        out.pruned_before = before;
    }
    return out;
}

}  // namespace assent::record
