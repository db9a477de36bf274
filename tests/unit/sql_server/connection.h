// A connection to the server of a test, and the catalog asked over it as a session asks it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <libpq-fe.h>

#include "sql/catalog.h"
#include "support/wire_real_server.h"

namespace assent::sql::test {

struct Rows {
    std::string error;  // of the server; empty: it went well
    int fields = 0;
    std::vector<Row> rows;
};

class Connection {
public:
    Connection(const assent::test::RealServer& server, const std::string& database, const std::string& user = "postgres")
        : connection_(
              PQconnectdb(("host=127.0.0.1 port=" + std::to_string(server.port()) + " user=" + user + " dbname=" + database)
                              .c_str()),
              &PQfinish) {
        PQsetNoticeProcessor(
            connection_.get(), [](void*, const char*) {}, nullptr);
    }
    [[nodiscard]] bool is_open() const { return PQstatus(connection_.get()) == CONNECTION_OK; }

    Rows run(const std::string& sql) { return read(PQexec(connection_.get(), sql.c_str())); }
    Rows ask(const Question& question) {
        std::vector<const char*> values;
        for (const auto& parameter : question.parameters) values.push_back(parameter.c_str());
        return read(PQexecParams(connection_.get(), question.sql.c_str(), static_cast<int>(values.size()), nullptr,
                                 values.data(), nullptr, nullptr, 0));
    }
    // Rows of COPY TO STDOUT: one field a column, tabs between them.
    Rows copy_out(const std::string& sql) {
        Rows out;
        std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection_.get(), sql.c_str()), &PQclear);
        if (PQresultStatus(result.get()) != PGRES_COPY_OUT) {
            out.error = PQresultErrorMessage(result.get());
            return out;
        }
        out.fields = PQnfields(result.get());
        char* line = nullptr;
        while (PQgetCopyData(connection_.get(), &line, 0) > 0) {
            std::string text(line);
            PQfreemem(line);
            if (!text.empty() && text.back() == '\n') text.pop_back();
            Row row;
            std::size_t at = 0;
            for (std::size_t tab = text.find('\t'); tab != std::string::npos; tab = text.find('\t', at)) {
                row.emplace_back(text.substr(at, tab - at));
                at = tab + 1;
            }
            row.emplace_back(text.substr(at));
            out.rows.push_back(std::move(row));
        }
        while (PGresult* rest = PQgetResult(connection_.get())) PQclear(rest);
        return out;
    }
    // The rows of COPY TO STDOUT as the server sends them; what went wrong first, and "error " before it.
    std::vector<std::string> copy_data(const std::string& sql) {
        std::vector<std::string> out;
        std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection_.get(), sql.c_str()), &PQclear);
        if (PQresultStatus(result.get()) != PGRES_COPY_OUT)
            return {std::string("error ") + PQresultErrorMessage(result.get())};
        char* data = nullptr;
        for (int size = 0; (size = PQgetCopyData(connection_.get(), &data, 0)) > 0;) {
            out.emplace_back(data, static_cast<std::size_t>(size));
            PQfreemem(data);
        }
        while (PGresult* rest = PQgetResult(connection_.get())) PQclear(rest);
        return out;
    }
    // Fills the catalog with what the text names. What went wrong, or nothing.
    std::string teach(Catalog& catalog, const std::vector<Name>& relations, const std::vector<Name>& functions) {
        for (auto question = catalog.question(relations, functions); question;
             question = catalog.question(relations, functions)) {
            const Rows answer = ask(*question);
            if (!answer.error.empty()) return answer.error;
            if (const auto learned = catalog.learn(answer.rows); !learned) return learned.error().message;
        }
        return {};
    }

private:
    static Rows read(PGresult* raw) {
        std::unique_ptr<PGresult, decltype(&PQclear)> result(raw, &PQclear);
        Rows out;
        const auto status = PQresultStatus(raw);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
            out.error = PQresultErrorMessage(raw);
            if (out.error.empty()) out.error = "no rows";
            return out;
        }
        out.fields = PQnfields(raw);
        for (int r = 0; r < PQntuples(raw); ++r) {
            Row row;
            for (int c = 0; c < out.fields; ++c) {
                row.push_back(PQgetisnull(raw, r, c) != 0 ? std::nullopt
                                                          : std::optional<std::string>(PQgetvalue(raw, r, c)));
            }
            out.rows.push_back(std::move(row));
        }
        return out;
    }

    std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

}  // namespace assent::sql::test
