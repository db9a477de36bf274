// What the files of a policy set say, decoded. Plain data: made by decode_*.cc, checked by link.cc, asked by scope.cc.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <re2/re2.h>

#include "model/mask.h"
#include "model/operation.h"
#include "model/verdict.h"
#include "policy/patterns.h"
#include "policy/policy.h"
#include "policy/reader.h"
#include "policy/token_pattern.h"
#include "policy/yaml_tree.h"
#include "policy/zone.h"

namespace assent::policy {

struct Place {
    std::string file;
    Position at;
};

// Names of agents or of targets, or any of them.
struct Names {
    bool is_any = false;
    std::vector<std::string> names;

    [[nodiscard]] bool has(std::string_view name) const;
    [[nodiscard]] bool has_one_of(const std::vector<std::string>& some) const;
};

// The keys that rules, `except` and `for` share. Left out: nothing is said of it.
struct Selection {
    std::optional<Names> agents;
    std::optional<Names> targets;
    std::optional<model::OperationSet> operations;
    std::optional<std::vector<ObjectPattern>> objects;
    std::vector<PlacedText> object_places;  // of `objects`, one by one
};

struct Hours {
    unsigned days = 0x7F;  // bit 0 is Sunday: the day on which the hours start
    int from_minute = 0;
    int to_minute = 24 * 60;  // not included; less than `from`: on the next day
    std::shared_ptr<const TimeZone> zone;

    [[nodiscard]] bool includes(WallTime time) const;
};

struct Conditions {
    std::optional<model::WhereClause> where_clause;
    std::vector<FunctionPattern> functions;
    std::shared_ptr<const RE2> matches;
    std::optional<Hours> hours;
};

struct Rule {
    std::string name;
    Place place;
    Selection what;  // after the file's `for`; in an allow or hold rule all is given
    std::optional<Selection> except;
    Conditions when;
    model::Decision verdict = model::Decision::deny;
    std::string approval;
    std::string message;
    std::optional<model::RuleLimit> limit;
    bool is_builtin = false;
};

struct Mask {
    std::string name;
    Place place;
    std::optional<Names> agents;  // left out: everybody
    std::optional<Names> targets;
    std::vector<ColumnPattern> columns;
    std::vector<std::string> column_texts;  // as they are written
    model::MaskMethod method;
    bool denies_unproven = false;
};

struct AgentItem {
    Place place;
    std::optional<Glob> unit;
    std::optional<Glob> exe;
    std::optional<Glob> slice;
    std::optional<Glob> cgroup;  // a path from the mount, and everything below
    std::optional<Glob> run;
    std::optional<Names> runners;
    std::optional<TokenPattern> token;
    std::string unit_text;
    std::string slice_text;
};

struct Observation {
    Names agents;
    Names targets;
    std::string until_text;
    WallTime until;  // not included
};

struct PlacedApproval {
    Approval approval;
    Place place;
};

// A name that was used, to be checked when all files are read.
struct Reference {
    enum class Kind : std::uint8_t { agent, target, approval, credential } kind = Kind::agent;
    std::string name;
    Place place;
};

// An address of a target as written, to find ties.
struct AddressPlace {
    std::string target;
    TargetAddress address;
    Place place;
};

struct PolicyContent {
    bool has_builtin = true;
    std::map<std::string, std::vector<AgentItem>> agents;
    std::vector<Target> targets;  // sorted by name
    std::vector<Rule> rules;      // sorted by name; the built-in ones are among them
    std::map<std::string, PlacedApproval> approvals;
    std::vector<Mask> masks;  // sorted by name
    std::vector<FunctionPattern> harmless_functions;
    std::vector<Observation> observations;
    std::map<std::string, Credential> credentials;

    // For checks after the files are read.
    std::vector<Reference> references;
    std::vector<AddressPlace> addresses;
    std::map<std::string, Place> defined;  // "rule\0name" to where
};

}  // namespace assent::policy
