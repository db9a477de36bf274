// Every kind of mistake in a policy file: where it is, and what is said of it.
#include "unit/policy/policy_fixture.h"

namespace assent::policy {
namespace {

struct Mistake {
    std::string name;
    std::string text;
    std::string expected;  // all that is said, a line each
};

// Three lines that define agent bot, targets db and raw, and approval dba.
std::string world_and(const std::string& rest) {
    return R"(agents: {bot: [{unit: bot.service}]}
targets: {db: {protocol: postgres, addresses: ["10.0.0.5:5432"]}, raw: {protocol: tcp, addresses: ["10.0.0.6:80"]}}
approvals: {dba: {stages: [{reviewers: {groups: [dba]}}]}}
)" + rest;
}

std::string rules_and(const std::string& rest) { return world_and("rules:\n" + rest); }

// The rule begins at line 5, column 3.
std::string within_rules(const std::string& rules) { return rules_and("  " + rules + "\n"); }

// clang-format off
const std::vector<Mistake> every_mistake = {
    {"NotYaml", "rules: [\n",
     "p.yaml:2:1: not YAML: end of sequence flow not found\n"},
    {"TwoColons", "rules: a: b\n",
     "p.yaml:1:9: not YAML: illegal map value\n"},
    {"TopIsAList", "- a\n",
     "p.yaml:1:1: a policy file has to be a map (key: value), and is a list\n"},
    {"UnknownKey", "rule: []\n",
     "p.yaml:1:1: unknown key 'rule'; did you mean 'rules'?\n"},
    {"UnknownKeyFarFromAny", "zebra: 1\n",
     "p.yaml:1:1: unknown key 'zebra'; known here: version, for, builtin, agents, targets, rules, approvals, masks, harmless_functions, observe, credentials\n"},
    {"DuplicateKey", "version: 1\n"
     "rules: []\n"
     "rules: []\n",
     "p.yaml:3:1: duplicate key 'rules'; it is first at line 2\n"},
    {"DuplicateKeyInside", within_rules("- {name: r, verdict: deny, name: s}"),
     "p.yaml:5:30: duplicate key 'name'; it is first at line 5\n"},
    {"WrongVersion", "version: 2\n",
     "p.yaml:1:10: 'version' is 1, not '2'\n"},
    {"Anchor", "version: &a 1\n",
     "p.yaml:1:10: anchors (&name) are not used in these files; write the value out\n"},
    {"Alias", "a: *x\n",
     "p.yaml:1:4: not YAML: the referenced anchor is not defined; a value that begins with '*' has to be quoted\n"},
    {"Tag", "version: !!int 1\n",
     "p.yaml:1:10: tags (!name) are not used in these files\n"},
    {"SecondDocument", "version: 1\n"
     "---\n"
     "version: 1\n",
     "p.yaml:3:1: a second document ('---') in the file; put it into a file of its own\n"},
    {"KeyIsAList", "[a]: b\n",
     "p.yaml:1:1: a key has to be a word\n"},
    {"Builtin", "builtin: of\n",
     "p.yaml:1:10: 'builtin' is one of on, off, not 'of'; did you mean 'on'?\n"},
    {"AgentUnknownKey", "agents:\n"
     "  bot:\n"
     "    - {unti: a.service}\n",
     "p.yaml:3:8: unknown key 'unti'; did you mean 'unit'?\n"},
    {"AgentNotAList", "agents: {bot: {unit: a.service}}\n",
     "p.yaml:1:15: agent 'bot' has to be a list of items (- {unit: …}), and is a map\n"},
    {"AgentNoItems", "agents: {bot: []}\n",
     "p.yaml:1:15: agent 'bot' has no items, so it can never match\n"},
    {"AgentEmptyItem", "agents: {bot: [{}]}\n",
     "p.yaml:1:16: an item without keys would be every agent; say unit, slice, cgroup, exe, run or token\n"},
    {"AgentTokenWithoutClaims", "agents:\n"
     "  bot: [{token: {issuer: https://idp.example.com}}]\n",
     "p.yaml:2:17: 'token' needs 'claims'\n"},
    {"AgentTokenOfEverybody", "agents:\n"
     "  bot: [{token: {issuer: https://idp.example.com, claims: {}}}]\n",
     "p.yaml:2:59: 'claims' without any would be every agent of the issuer; say 'sub' at least\n"},
    {"AgentTokenUnknownKey", "agents:\n"
     "  bot: [{token: {issuers: https://idp.example.com, claims: {sub: a}}}]\n",
     "p.yaml:2:17: 'token' needs 'issuer'\n"
     "p.yaml:2:18: unknown key 'issuers'; did you mean 'issuer'?\n"},
    {"AgentTokenEmptyList", "agents:\n"
     "  bot: [{token: {issuer: https://idp.example.com, claims: {groups: []}}}]\n",
     "p.yaml:2:68: the claim 'groups' is an empty list, which can never match\n"},
    {"AgentAny", "agents: {any: [{unit: a.service}]}\n",
     "p.yaml:1:10: an agent set cannot be called 'any', which means everything\n"},
    {"AgentName", R"(agents: {"a b": [{unit: a.service}]})" "\n",
     "p.yaml:1:10: the name of an agent set is made of letters, digits, '.', '_' and '-', at most 100, not 'a b'\n"},
    {"AgentRelativeExe", "agents: {bot: [{exe: bin/migrate}]}\n",
     "p.yaml:1:22: 'exe' is a full path that starts with '/', so 'bin/migrate' can never match\n"},
    {"AgentRunnersWithoutRun", "agents: {bot: [{unit: a.service, runners: [ana]}]}\n",
     "p.yaml:1:43: 'runners' says who may claim a 'run' name, and there is no 'run' here\n"},
    {"AgentSlice", "agents: {bot: [{slice: agents}]}\n",
     "p.yaml:1:24: 'slice' is the name of a slice; did you mean 'agents.slice'?\n"},
    {"AgentCgroup", "agents: {bot: [{cgroup: docker/*}]}\n",
     "p.yaml:1:25: 'cgroup' is a path from the mount as in /docker/*, so 'docker/*' can never match\n"},
    {"AgentWrongType", "agents: {bot: [{unit: [a.service]}]}\n",
     "p.yaml:1:23: 'unit' has to be a single value, and is a list\n"},
    {"AgentNoValue", "agents:\n"
     "  bot:\n",
     "p.yaml:2:3: agent 'bot' has to be a list of items (- {unit: …}), and is nothing\n"},
    {"TargetNoProtocol", R"(targets: {db: {addresses: ["10.0.0.5:5432"]}})" "\n",
     "p.yaml:1:15: target 'db' needs 'protocol'\n"},
    {"TargetProtocolSpelling", R"(targets: {db: {protocol: postgre, addresses: ["10.0.0.5:5432"]}})" "\n",
     "p.yaml:1:26: 'protocol' is one of tcp, postgres, mysql, redis, http, kubernetes, ssh, not 'postgre'; did you mean 'postgres'?\n"},
    {"TargetProtocolUnsupported", R"(targets: {db: {protocol: mysql, addresses: ["10.0.0.5:3306"]}})" "\n",
     "p.yaml:1:26: protocol 'mysql' is not yet supported\n"},
    {"TargetNoAddresses", "targets: {db: {protocol: postgres}}\n",
     "p.yaml:1:15: target 'db' needs 'addresses'\n"},
    {"TargetEmptyAddresses", "targets: {db: {protocol: postgres, addresses: []}}\n",
     "p.yaml:1:47: 'addresses' has to be a list of at least one HOST:PORT\n"},
    {"AddressNoPort", "targets: {db: {protocol: postgres, addresses: [10.0.0.5]}}\n",
     "p.yaml:1:48: an address is HOST:PORT with a port from 1 to 65535, or unix:/PATH, not '10.0.0.5'\n"},
    {"AddressPortZero", R"(targets: {db: {protocol: postgres, addresses: ["10.0.0.5:0"]}})" "\n",
     "p.yaml:1:48: an address is HOST:PORT with a port from 1 to 65535, or unix:/PATH, not '10.0.0.5:0'\n"},
    {"AddressPortLarge", R"(targets: {db: {protocol: postgres, addresses: ["10.0.0.5:65536"]}})" "\n",
     "p.yaml:1:48: an address is HOST:PORT with a port from 1 to 65535, or unix:/PATH, not '10.0.0.5:65536'\n"},
    {"AddressBareV6", R"(targets: {db: {protocol: postgres, addresses: ["fd00::5:5432"]}})" "\n",
     "p.yaml:1:48: an IPv6 address needs brackets: '[fd00::5]:5432', not 'fd00::5:5432'\n"},
    {"AddressPrefixLong", R"(targets: {db: {protocol: postgres, addresses: ["10.0.0.0/33:5432"]}})" "\n",
     "p.yaml:1:48: the prefix of '10.0.0.0/33:5432' is from 0 to 32\n"},
    {"AddressHostBits", R"(targets: {db: {protocol: postgres, addresses: ["10.2.3.4/16:5432"]}})" "\n",
     "p.yaml:1:48: '10.2.3.4/16:5432' has bits set behind its prefix; did you mean '10.2.0.0/16:5432'?\n"},
    {"AddressNonsense", R"(targets: {db: {protocol: postgres, addresses: ["10.0.0.256:5432"]}})" "\n",
     "p.yaml:1:48: '10.0.0.256:5432' is neither an address, a network (10.2.0.0/16:5432) nor the name of a host\n"},
    {"AddressRelativeSocket", R"(targets: {db: {protocol: postgres, addresses: ["unix:run/x.sock"]}})" "\n",
     "p.yaml:1:48: a unix socket is 'unix:/PATH' or 'unix:@ABSTRACT-NAME', at most 107 bytes and spelled as agents spell it, not "
     "'run/x.sock'\n"},
    {"AddressOtherSpelling", R"(targets: {db: {protocol: postgres, addresses: ["unix:/run/../x.sock"]}})" "\n",
     "p.yaml:1:48: a unix socket is 'unix:/PATH' or 'unix:@ABSTRACT-NAME', at most 107 bytes and spelled as agents spell it, not "
     "'/run/../x.sock'\n"},
    {"AddressSocketTie", "targets:\n"
     R"(  a: {protocol: postgres, addresses: ["unix:/run/x.sock"]})" "\n"
     R"(  b: {protocol: tcp, addresses: ["unix:/run/x.sock"]})" "\n",
     "p.yaml:3:34: targets 'a' and 'b' tie for this address (the other is at p.yaml:2); one of them has to be narrower\n"},
    {"AddressTie", "targets:\n"
     R"(  a: {protocol: postgres, addresses: ["10.0.0.0/8:5432"]})" "\n"
     R"(  b: {protocol: postgres, addresses: ["10.0.0.0/8:5432"]})" "\n",
     "p.yaml:3:39: targets 'a' and 'b' tie for this address (the other is at p.yaml:2); one of them has to be narrower\n"},
    {"AddressNameTie", "targets:\n"
     R"(  a: {protocol: postgres, addresses: ["db.internal:5432"]})" "\n"
     R"(  b: {protocol: postgres, addresses: ["DB.internal.:5432"]})" "\n",
     "p.yaml:3:39: targets 'a' and 'b' tie for this address (the other is at p.yaml:2); one of them has to be narrower\n"},
    {"AddressTwice", "targets:\n"
     R"(  a: {protocol: postgres, addresses: ["10.0.0.5:5432", "10.0.0.5/32:5432"]})" "\n",
     "p.yaml:2:56: target 'a' has this address twice\n"},
    {"TlsUpstream", R"(targets: {db: {protocol: postgres, addresses: ["10.0.0.5:5432"], tls: {upstream: verify_full, name: db}}})" "\n",
     "p.yaml:1:82: 'upstream' is one of disable, require, verify-full, not 'verify_full'; did you mean 'verify-full'?\n"},
    {"TlsNoName", R"(targets: {db: {protocol: postgres, addresses: ["10.0.0.5:5432"], tls: {upstream: verify-full}}})" "\n",
     "p.yaml:1:71: verify-full needs 'name': the name that the server's certificate has to be for\n"},
    {"TlsCaUnused", R"(targets: {db: {protocol: postgres, addresses: ["10.0.0.5:5432"], tls: {upstream: require, ca: /etc/ca.pem}}})" "\n",
     "p.yaml:1:71: 'ca' and 'name' are checked by verify-full only; write 'upstream: verify-full'\n"},
    {"TlsRelativeCa", R"(targets: {db: {protocol: postgres, addresses: ["10.0.0.5:5432"], tls: {upstream: verify-full, name: db, ca: ca.pem}}})" "\n",
     "p.yaml:1:109: 'ca' is a full path that starts with '/', not 'ca.pem'\n"},
    {"TcpHasNoDatabases", R"(targets: {db: {protocol: tcp, addresses: ["10.0.0.5:80"], databases: [a], tls: {upstream: require}}})" "\n",
     "p.yaml:1:59: a tcp target is relayed and not understood, so it has no 'databases'\n"
     "p.yaml:1:75: a tcp target is relayed and not understood, so it has no 'tls'\n"},
    {"CredentialInTheClear", R"(targets: {db: {protocol: postgres, addresses: ["10.0.0.5:5432"], tls: {upstream: require}, credential: c}})" "\n"
     "credentials: {c: {postgres: {user: u, password: {file: /p}}}}\n",
     "p.yaml:1:104: a credential is given only to a server that is known: write 'tls: {upstream: verify-full, …}', or use loopback addresses and unix sockets only\n"},
    {"CredentialNotOnlyLoopback", R"(targets: {db: {protocol: postgres, addresses: ["127.0.0.1:5432", "10.0.0.5:5432"], credential: c}})" "\n"
     "credentials: {c: {postgres: {user: u, password: {file: /p}}}}\n",
     "p.yaml:1:96: a credential is given only to a server that is known: write 'tls: {upstream: verify-full, …}', or use loopback addresses and unix sockets only\n"},
    {"CredentialUndefined", R"(targets: {db: {protocol: postgres, addresses: ["127.0.0.1:5432"], credential: writer}})" "\n"
     "credentials: {writers: {postgres: {user: u, password: {file: /p}}}}\n",
     "p.yaml:1:79: undefined credential 'writer'; did you mean 'writers'?\n"},
    {"CredentialEnv", "credentials: {c: {postgres: {user: u, password: {env: PGPASSWORD}}}}\n",
     "p.yaml:1:50: a password from the environment ('env') is not yet supported\n"},
    {"CredentialSystemd", "credentials: {c: {postgres: {user: u, password: {systemd: pg}}}}\n",
     "p.yaml:1:50: a password from systemd ('systemd') is not yet supported\n"},
    {"CredentialNoFile", "credentials: {c: {postgres: {user: u, password: {}}}}\n",
     "p.yaml:1:49: 'password' needs 'file': where the password is kept\n"},
    {"CredentialNoUser", "credentials: {c: {postgres: {password: {file: /p}}}}\n",
     "p.yaml:1:29: 'postgres' needs 'user'\n"},
    {"CredentialPlain", "credentials: {c: {postgres: {user: u, password: hunter2}}}\n",
     "p.yaml:1:49: 'password' has to be a map (key: value), and is a single value\n"},
    {"RulesAreAMap", "rules: {a: b}\n",
     "p.yaml:1:8: 'rules' has to be a list (- name: …), and is a map\n"},
    {"RuleIsAText", "rules: [a]\n",
     "p.yaml:1:9: a rule has to be a map (key: value), and is a single value\n"},
    {"RuleNoName", within_rules("- {verdict: deny}"),
     "p.yaml:5:5: a rule needs 'name'\n"},
    {"RuleNoVerdict", within_rules("- {name: r}"),
     "p.yaml:5:5: a rule needs 'verdict'\n"},
    {"RuleVerdictSpelling", within_rules("- {name: r, verdict: denny}"),
     "p.yaml:5:24: 'verdict' is one of deny, hold, allow, not 'denny'; did you mean 'deny'?\n"},
    {"RuleKeySpelling", within_rules("- {name: r, verdict: deny, operatons: [read]}"),
     "p.yaml:5:30: unknown key 'operatons'; did you mean 'operations'?\n"},
    {"RuleOperationSpelling", within_rules("- {name: r, verdict: deny, operations: [read, trunctae]}"),
     "p.yaml:5:49: unknown operation 'trunctae'; did you mean 'truncate'?\n"},
    {"RuleOperationSelect", within_rules("- {name: r, verdict: deny, operations: [select]}"),
     "p.yaml:5:43: unknown operation 'select'; did you mean 'read'?\n"},
    {"RuleUndefinedAgent", within_rules("- {name: r, verdict: deny, agents: [bto]}"),
     "p.yaml:5:39: undefined agent 'bto'; did you mean 'bot'?\n"},
    {"RuleUndefinedTarget", within_rules("- {name: r, verdict: deny, targets: [bd]}"),
     "p.yaml:5:40: undefined target 'bd'; did you mean 'db'?\n"},
    {"RuleListIsAText", within_rules("- {name: r, verdict: deny, agents: bot}"),
     "p.yaml:5:38: 'agents' has to be a list ([a, b]), and is a single value\n"},
    {"RuleEmptyList", within_rules("- {name: r, verdict: deny, operations: []}"),
     "p.yaml:5:42: 'operations' is an empty list, which can never match\n"},
    {"RuleReservedName", within_rules("- {name: builtin-mine, verdict: deny}"),
     "p.yaml:5:12: names that begin with 'builtin-' belong to the built-in set\n"},
    {"RuleNameAny", within_rules("- {name: any, verdict: deny}"),
     "p.yaml:5:12: a rule cannot be called 'any', which means everything\n"},
    {"RuleTwice", within_rules("- {name: r, verdict: deny, operations: [drop]}\n"
     "  - {name: r, verdict: deny, operations: [alter]}"),
     "p.yaml:6:12: rule 'r' is defined twice; the other is at p.yaml:5\n"},
    {"AllowNamesNothing", within_rules("- {name: r, verdict: allow}"),
     "p.yaml:5:5: rule 'r' has to name its 'agents', here or in the file's 'for'; everything is written [any]\n"
     "p.yaml:5:5: rule 'r' has to name its 'targets', here or in the file's 'for'; everything is written [any]\n"
     "p.yaml:5:5: rule 'r' has to name its 'operations', here or in the file's 'for'; everything is written [any]\n"
     "p.yaml:5:5: rule 'r' has to name its 'objects', here or in the file's 'for'; everything is written [any]\n"},
    {"HoldNamesNoObjects", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], verdict: hold, approval: dba}"),
     "p.yaml:5:5: rule 'r' has to name its 'objects', here or in the file's 'for'; everything is written [any]\n"},
    {"HoldNoApproval", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [any], verdict: hold}"),
     "p.yaml:5:5: rule 'r' holds, so it needs 'approval': who may answer\n"},
    {"HoldUndefinedApproval", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [any], verdict: hold, approval: dab}"),
     "p.yaml:5:106: undefined approval 'dab'; did you mean 'dba'?\n"},
    {"AllowWithApproval", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, approval: dba}"),
     "p.yaml:5:112: 'approval' belongs to a rule with 'verdict: hold'\n"},
    {"ObjectStar", within_rules("- {name: r, verdict: deny, objects: ['*']}"),
     "p.yaml:5:40: '*' is no object; everything is written 'any'\n"},
    {"ObjectSet", within_rules("- {name: r, verdict: deny, objects: ['@catalgo']}"),
     "p.yaml:5:40: unknown set of objects '@catalgo'; did you mean '@catalog'?\n"},
    {"ObjectEmptyPart", within_rules("- {name: r, verdict: deny, objects: [public.]}"),
     "p.yaml:5:40: 'public.' has an empty part; an object is written schema.relation\n"},
    {"ObjectManyParts", within_rules("- {name: r, verdict: deny, objects: [a.b.c.d]}"),
     "p.yaml:5:40: 'a.b.c.d' has 4 parts, which can never match; an object is written schema.relation\n"},
    {"ObjectWithoutSchema", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read, update], objects: [orders], verdict: allow}"),
     "p.yaml:5:83: 'orders' can never match: the operations of rule 'r' are about relations, written schema.relation\n"},
    {"SessionOfARelation", within_rules("- {name: r, verdict: deny, operations: [session], objects: [public.orders]}"),
     "p.yaml:5:63: 'public.orders' can never match: the operations of rule 'r' are about settings, written setting.NAME\n"},
    {"TcpIsConnectOnly", within_rules("- {name: r, agents: [bot], targets: [raw], operations: [read], objects: [any], verdict: allow}"),
     "p.yaml:5:5: rule 'r' can never match: its targets are tcp, where the one operation is 'connect'\n"},
    {"ExceptTakesAll", within_rules("- {name: r, verdict: deny, operations: [read], except: {operations: [read, lock]}}"),
     "p.yaml:5:5: rule 'r' can never match: 'except' takes all of it away\n"},
    {"ExceptAnyAgent", within_rules("- {name: r, agents: [bot], verdict: deny, except: {agents: [any]}}"),
     "p.yaml:5:5: rule 'r' can never match: 'except' takes all of it away\n"},
    {"ExceptEmpty", within_rules("- {name: r, verdict: deny, except: {}}"),
     "p.yaml:5:38: 'except' without keys would take away the whole rule\n"},
    {"ExceptUnknownKey", within_rules("- {name: r, verdict: deny, except: {object: [a.b]}}"),
     "p.yaml:5:39: unknown key 'object'; did you mean 'objects'?\n"},
    {"MessageLong", within_rules("- {name: r, verdict: deny, message: '" + std::string(1001, 'x') + "'}"),
     "p.yaml:5:39: 'message' is longer than 1000 bytes\n"},
    {"MessageIsAList", within_rules("- {name: r, verdict: deny, message: [a]}"),
     "p.yaml:5:39: 'message' has to be a single value, and is a list\n"},
    {"WhenEmpty", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {}}"),
     "p.yaml:5:108: 'when' has no conditions\n"},
    {"WhenUnknown", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {where: absent}}"),
     "p.yaml:5:109: unknown key 'where'; did you mean 'where_clause'?\n"},
    {"WhenWhereClause", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {where_clause: none}}"),
     "p.yaml:5:123: 'where_clause' is one of absent, present, not 'none'\n"},
    {"WhenRows", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {rows: {over: 5}}}"),
     "p.yaml:5:109: the condition 'rows' is not yet supported\n"},
    {"WhenMatchesInDeny", within_rules("- {name: r, verdict: deny, when: {matches: x}}"),
     "p.yaml:5:46: 'matches' is for allow rules only: a regex may narrow what is allowed, and never protects\n"},
    {"WhenMatchesBad", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {matches: '(a'}}"),
     "p.yaml:5:118: 'matches' is not a regular expression of RE2: missing ): (a\n"},
    {"WhenMatchesBackreference", within_rules(R"(- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {matches: '(a)\1'}})"),
     R"(p.yaml:5:118: 'matches' is not a regular expression of RE2: invalid escape sequence: \1)" "\n"},
    {"WhenFunctionNoSchema", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {functions: [week_of]}}"),
     "p.yaml:5:121: an allow rule has to say the schema of a function: 'SCHEMA.week_of'\n"},
    {"WhenFunctionParts", within_rules("- {name: r, verdict: deny, when: {functions: [a.b.c]}}"),
     "p.yaml:5:49: 'a.b.c' can never match; a function is written schema.name\n"},
    {"HoursZone", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {hours: {days: mon, zone: Europe/Madird}}}"),
     "p.yaml:5:134: there is no time zone 'Europe/Madird' in /usr/share/zoneinfo; write it as Europe/Madrid\n"},
    {"HoursZonePath", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {hours: {days: mon, zone: ../../../etc/passwd}}}"),
     "p.yaml:5:134: there is no time zone '../../../etc/passwd'; write it as Europe/Madrid\n"},
    {"HoursDay", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {hours: {days: mon-fry, zone: UTC}}}"),
     "p.yaml:5:123: 'fry' is no day; write mon, tue, wed, thu, fri, sat, sun or a range (mon-fri); did you mean 'fri'?\n"},
    {"HoursTime", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {hours: {from: '9:00', to: '25:00', zone: UTC}}}"),
     R"(p.yaml:5:123: 'from' is a time of day as "09:00", not '9:00')" "\n"
     R"(p.yaml:5:135: 'to' is a time of day as "09:00", not '25:00')" "\n"},
    {"HoursSame", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {hours: {from: '09:00', to: '09:00', zone: UTC}}}"),
     "p.yaml:5:136: 'from' and 'to' are the same, so the hours can never match\n"},
    {"HoursEmpty", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, when: {hours: {}}}"),
     "p.yaml:5:116: 'hours' says no days and no times\n"},
    {"ApprovalNoStages", "approvals: {dba: {wait: 60s}}\n",
     "p.yaml:1:18: approval 'dba' needs 'stages'\n"},
    {"ApprovalEmptyStages", "approvals: {dba: {stages: []}}\n",
     "p.yaml:1:27: nobody can give this approval: it has no stages\n"},
    {"ApprovalNobody", "approvals: {dba: {stages: [{reviewers: {}}]}}\n",
     "p.yaml:1:40: nobody can give this approval: 'reviewers' names no users and no groups\n"},
    {"ApprovalNoReviewers", "approvals: {dba: {stages: [{quorum: 1}]}}\n",
     "p.yaml:1:28: a stage needs 'reviewers'\n"},
    {"ApprovalTwoStagesOfOnePerson", "approvals: {dba: {stages: [{reviewers: {users: [a]}}, {reviewers: {users: [a]}}]}}\n",
     "p.yaml:1:27: nobody can give this approval: a person counts in one of its stages only, and its stages name too few different persons\n"},
    {"ApprovalStagesOfTooFewPersons", "approvals: {dba: {stages: [{reviewers: {users: [a, b]}, quorum: 2}, {reviewers: {users: [b, c, a]}, quorum: 2}]}}\n",
     "p.yaml:1:27: nobody can give this approval: a person counts in one of its stages only, and its stages name too few different persons\n"},
    {"ApprovalQuorum", "approvals: {dba: {stages: [{reviewers: {users: [a]}, quorum: 2}]}}\n",
     "p.yaml:1:62: nobody can give this approval: its quorum is 2, and it names 1 person and no group\n"},
    {"ApprovalQuorumOfOnePersonTwice", "approvals: {dba: {stages: [{reviewers: {users: [a, a]}, quorum: 2}]}}\n",
     "p.yaml:1:65: nobody can give this approval: its quorum is 2, and it names 1 person and no group\n"},
    {"ApprovalEscalateNobody", "approvals: {dba: {stages: [{reviewers: {users: [a]}, escalate: {after: 5m, to: {}}}]}}\n",
     "p.yaml:1:80: nobody can give this approval: 'to' names no users and no groups\n"},
    {"ApprovalEscalateNever", "approvals: {dba: {deadline: 5m, stages: [{reviewers: {users: [a]}, escalate: {after: 5m, to: {users: [b]}}}]}}\n",
     "p.yaml:1:86: 'after' never comes: the approval's 'deadline' is before it\n"},
    {"ApprovalEscalateKeys", "approvals: {dba: {stages: [{reviewers: {users: [a]}, escalate: {at: 5m}}]}}\n",
     "p.yaml:1:64: 'escalate' needs 'after'\np.yaml:1:64: 'escalate' needs 'to'\np.yaml:1:65: unknown key 'at'; known here: after, to\n"},
    {"GlassOfTwo", "approvals: {g: {stages: [{reviewers: {groups: [a]}, quorum: 2}], break_glass: {for: 30m}}}\n",
     "p.yaml:1:79: an approval that breaks the glass has one stage, with a quorum of 1 and no 'escalate'\n"},
    {"GlassTooLong", "approvals: {g: {stages: [{reviewers: {groups: [a]}}], break_glass: {for: 2d}}}\n",
     "p.yaml:1:74: 'for' is from 1s to 8h\n"},
    {"GlassWithoutTime", "approvals: {g: {stages: [{reviewers: {groups: [a]}}], break_glass: {}}}\n",
     "p.yaml:1:68: 'break_glass' needs 'for'\n"},
    {"LimitOfADeny", within_rules("- {name: r, operations: [drop], verdict: deny, limit: {commands: 1, per: 1h, then: deny}}"),
     "p.yaml:5:57: 'limit' belongs to a rule that allows or holds: this one denies already\n"},
    {"LimitThatHoldsWithoutApproval", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, limit: {commands: 1, per: 1h, then: hold}}"),
     "p.yaml:5:5: rule 'r' holds, so it needs 'approval': who may answer\n"},
    {"LimitKeys", within_rules("- {name: r, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, limit: {commands: 0, per: 90d, then: allow}}"),
     "p.yaml:5:120: 'commands' is a number from 1 to 1000000, not '0'\np.yaml:5:128: 'per' is from 1s to 30d\np.yaml:5:139: 'then' is one of deny, hold, not 'allow'\n"},
    {"ApprovalQuorumZero", "approvals: {dba: {stages: [{reviewers: {users: [a]}, quorum: 0}]}}\n",
     "p.yaml:1:62: 'quorum' is a number from 1 to 100, not '0'\n"},
    {"ApprovalWaitUnit", "approvals: {dba: {wait: 60, stages: [{reviewers: {users: [a]}}]}}\n",
     "p.yaml:1:25: 'wait' is a time with a unit (100ms, 60s, 15m, 12h, 400d), not '60'\n"},
    {"ApprovalWaitLong", "approvals: {dba: {wait: 20m, deadline: 15m, stages: [{reviewers: {users: [a]}}]}}\n",
     "p.yaml:1:25: 'wait' is longer than 'deadline'\n"},
    {"ApprovalInTransaction", "approvals: {dba: {in_transaction: holds, stages: [{reviewers: {users: [a]}}]}}\n",
     "p.yaml:1:35: 'in_transaction' is one of deny, hold, not 'holds'; did you mean 'hold'?\n"},
    {"ApprovalGroupKey", "approvals: {dba: {stages: [{reviewers: {group: [a]}}]}}\n",
     "p.yaml:1:40: nobody can give this approval: 'reviewers' names no users and no groups\n"
     "p.yaml:1:41: unknown key 'group'; did you mean 'groups'?\n"},
    {"MaskNoColumns", "masks: [{name: m, method: redact}]\n",
     "p.yaml:1:9: a mask needs 'columns'\n"},
    {"MaskNoMethod", "masks: [{name: m, columns: [a.b.c]}]\n",
     "p.yaml:1:9: a mask needs 'method'\n"},
    {"MaskMethodEmpty", "masks:\n"
     "  - name: m\n"
     "    columns: [a.b.c]\n"
     "    method:\n",
     "p.yaml:4:5: 'method' has to be one of null, redact, hash, partial, and is nothing\n"},
    {"MaskMethod", "masks: [{name: m, columns: [a.b.c], method: redacted}]\n",
     "p.yaml:1:45: 'method' is one of null, redact, hash, partial, not 'redacted'; did you mean 'redact'?\n"},
    {"MaskColumnParts", "masks: [{name: m, columns: [customers.ssn], method: redact}]\n",
     "p.yaml:1:29: a column is written schema.relation.column or database.schema.relation.column, not 'customers.ssn'\n"},
    {"MaskPartialNothing", "masks: [{name: m, columns: [a.b.c], method: {partial: {}}}]\n",
     "p.yaml:1:55: 'partial' keeps nothing; say keep_first or keep_last, or use 'redact'\n"},
    {"MaskPartialWord", "masks: [{name: m, columns: [a.b.c], method: partial}]\n",
     "p.yaml:1:45: 'partial' has to say what it keeps: {partial: {keep_last: 4}}\n"},
    {"MaskPartialNumber", "masks: [{name: m, columns: [a.b.c], method: {partial: {keep_last: -1}}}]\n",
     "p.yaml:1:55: 'partial' keeps nothing; say keep_first or keep_last, or use 'redact'\n"
     "p.yaml:1:67: 'keep_last' is a number from 0 to 1000, not '-1'\n"},
    {"MaskDetect", "masks: [{name: m, detect: [email], method: redact}]\n",
     "p.yaml:1:19: finding values by what they look like ('detect') is not yet supported\n"},
    {"MaskUnless", "masks: [{name: m, columns: [a.b.c], method: redact, unless: {groups: [fraud]}}]\n",
     "p.yaml:1:53: 'unless' of a mask is not yet supported\n"},
    {"MaskUnproven", "masks: [{name: m, columns: [a.b.c], method: redact, unproven: allow}]\n",
     "p.yaml:1:63: 'unproven' is one of mask, deny, not 'allow'\n"},
    {"MaskTwice", "masks: [{name: m, columns: [a.b.c], method: redact}, {name: m, columns: [a.b.d], method: redact}]\n",
     "p.yaml:1:61: mask 'm' is defined twice; the other is at p.yaml:1\n"},
    {"HarmlessNoSchema", "harmless_functions: [week_of]\n",
     "p.yaml:1:22: a harmless function is written schema.name or schema.*, not 'week_of'\n"},
    {"HarmlessEverything", "harmless_functions: ['*.*']\n",
     "p.yaml:1:22: a harmless function is written schema.name or schema.*, not '*.*'\n"},
    {"ObserveNoUntil", world_and("observe: [{agents: [bot], targets: [db]}]\n"),
     "p.yaml:4:11: an item of 'observe' needs 'until'\n"},
    {"ObserveUntil", world_and("observe: [{agents: [bot], targets: [db], until: 2026-02-30}]\n"),
     "p.yaml:4:49: 'until' is a day as 2026-12-31, not '2026-02-30'\n"},
    {"ObserveUntilIsBeyondTheClock", world_and("observe: [{agents: [bot], targets: [db], until: 9999-12-31}]\n"),
     "p.yaml:4:49: 'until' is 2200-12-31 at the latest, not '9999-12-31'\n"},
    {"ObserveUntilIsFar", world_and("observe: [{agents: [bot], targets: [db], until: 2999-12-31}]\n"),
     "p.yaml:4:49: 'until' is 2200-12-31 at the latest, not '2999-12-31'\n"},
    {"ObserveUntilIsFarAndNoDay", world_and("observe: [{agents: [bot], targets: [db], until: 2999-13-31}]\n"),
     "p.yaml:4:49: 'until' is a day as 2026-12-31, not '2999-13-31'\n"},
    {"ObserveNoAgents", world_and("observe: [{targets: [db], until: 2026-12-31}]\n"),
     "p.yaml:4:11: an item of 'observe' has to name its 'agents', here or in the file's 'for'\n"},
    {"ForUnknown", "for: {agent: [a]}\n",
     "p.yaml:1:7: unknown key 'agent'; did you mean 'agents'?\n"},
    {"ForUndefined", "for: {targets: [db]}\n",
     "p.yaml:1:17: undefined target 'db'\n"},
    {"AllAtOnce", rules_and("  - {name: a, verdict: nope, agents: [bots]}\n"
     "  - {name: a, verdit: deny}\n"
     "masks: [{}]\n"
     "zzz: 1\n"),
     "p.yaml:5:24: 'verdict' is one of deny, hold, allow, not 'nope'\n"
     "p.yaml:5:39: undefined agent 'bots'; did you mean 'bot'?\n"
     "p.yaml:6:5: a rule needs 'verdict'\n"
     "p.yaml:6:12: rule 'a' is defined twice; the other is at p.yaml:5\n"
     "p.yaml:6:15: unknown key 'verdit'; did you mean 'verdict'?\n"
     "p.yaml:7:9: a mask needs 'name'\n"
     "p.yaml:7:9: a mask needs 'columns'\n"
     "p.yaml:7:9: a mask needs 'method'\n"
     "p.yaml:8:1: unknown key 'zzz'; known here: version, for, builtin, agents, targets, rules, approvals, masks, harmless_functions, observe, credentials\n"},
};
// clang-format on

class Mistakes : public testing::TestWithParam<Mistake> {};

TEST_P(Mistakes, AreShownWithTheirPlace) { EXPECT_EQ(mistakes_of(GetParam().text), GetParam().expected) << GetParam().text; }

INSTANTIATE_TEST_SUITE_P(Policy, Mistakes, testing::ValuesIn(every_mistake),
                         [](const auto& tested) { return tested.param.name; });

TEST(MistakesOfASet, AreThoseOfAllFilesSortedByPlace) {
    const auto loaded = load_texts({{"b.yaml", "rules: [{name: same, verdict: deny}]\nzzz: 1\n"},
                                    {"a.yaml", "rules: [{name: same, verdict: deny}]\nyyy: 1\n"}},
                                   1);
    ASSERT_FALSE(loaded.has_value());
    ASSERT_EQ(loaded.error().size(), 3U);
    EXPECT_EQ(loaded.error()[0].file, "a.yaml");
    EXPECT_EQ(loaded.error()[1].to_text(), "b.yaml:1:16: rule 'same' is defined twice; the other is at a.yaml:1");
    EXPECT_EQ(loaded.error()[2].line, 2U);
}

TEST(MistakesOfASet, NamesThatAnyFileDefinesAreDefined) {
    EXPECT_TRUE(load_texts({{"a.yaml",
                             "for: {agents: [bot], targets: [db]}\nrules: [{name: r, operations: [read], objects: [any], "
                             "verdict: allow}]\n"},
                            {"z.yaml", world_and("")}},
                           1)
                    .has_value());
}

TEST(MistakesOfASet, AreBounded) {
    std::string text = "rules:\n";
    for (int i = 0; i < 2000; ++i) text += "  - {verdict: deny}\n";
    const auto loaded = load_texts({{"a.yaml", text}}, 1);
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().size(), 501U);
}

TEST(MistakesOfASet, DepthAndSizeAreBounded) {
    EXPECT_EQ(mistakes_of(std::string(100, '[') + std::string(100, ']')), "p.yaml:1:65: nested deeper than 64 levels\n");
    EXPECT_EQ(mistakes_of(std::string(100'000, '[')).substr(0, 9), "p.yaml:1:");
    EXPECT_EQ(mistakes_of("# " + std::string(4U << 20U, 'x')), "p.yaml: larger than 4 MiB\n");
    EXPECT_EQ(mistakes_of(std::string("version: 1\n\0", 12)), "p.yaml:2:1: a zero byte; these files are UTF-8 text\n");
    const std::string laughs = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    EXPECT_EQ(mistakes_of(laughs), "p.yaml:1:4: anchors (&name) are not used in these files; write the value out\n");
}

TEST(MistakesOfASet, TextOfStrangersIsEscaped) {
    EXPECT_EQ(mistakes_of("\"a\eb\": 1\n"), "p.yaml:1:3: the control character 0x1B; take it out\n");
    EXPECT_EQ(mistakes_of("\"a\\eb\": 1\n").find('\x1b'), std::string::npos);
    EXPECT_EQ(mistakes_of("a\u200Bb: 1\n").substr(0, 37), "p.yaml:1:1: unknown key 'a\\u{200B}b';");
}

TEST(MistakesOfASet, AnEmptySetDeniesAndIsNoMistake) {
    EXPECT_EQ(mistakes_of(""), "");
    EXPECT_EQ(mistakes_of("# nothing yet\n"), "");
    EXPECT_EQ(judge(*policy_of(""), {{effect(model::Operation::read, {"public.a"})}}, {}, "").decision,
              model::Decision::deny);
}

}  // namespace
}  // namespace assent::policy
