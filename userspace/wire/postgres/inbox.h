// Frames what one side sends. Messages that lie whole in the received bytes are handled where they lie; those that must be
// seen whole and straddle are assembled; the others are handled in pieces and never kept.
//
// The handler H has:
//   bool may_take()                      false: stop before the next byte
//   Treatment begin(char type, std::size_t body_size)
//   Step whole(char type, Bytes message) message with header
//   void piece(Bytes bytes, bool is_last)
//   void flush()                         the bytes given last are about to go away
#pragma once

#include <algorithm>

#include "base/bytes.h"
#include "base/cursor.h"
#include "wire/postgres/protocol.h"

namespace assent::wire::postgres {

enum class Treatment : std::uint8_t { malformed = 0, whole, stream };
enum class Step : std::uint8_t { taken, held };  // held: the message is kept, and offered again by retry()

class Inbox {
public:
    // Gives how much was taken; all of it unless may_take() said no.
    template <typename H>
    std::size_t take(Bytes in, H& handler) {
        std::size_t position = 0;
        while (!is_held_ && handler.may_take() && position < in.size()) {
            const Bytes rest = in.subspan(position);
            if (rest_ > 0) {
                position += take_piece(rest, handler);
            } else if (!assembly_.empty() || rest.size() < header_size) {
                position += assemble(rest, handler);
            } else {
                position += take_message(rest, handler);
            }
        }
        return position;
    }

    // Offers the held message again.
    template <typename H>
    void retry(H& handler) {
        if (!is_held_) return;
        is_held_ = false;
        finish_assembled(handler);
    }

    [[nodiscard]] bool is_held() const { return is_held_; }
    [[nodiscard]] Bytes held() const { return assembly_; }
    [[nodiscard]] bool is_at_boundary() const { return rest_ == 0 && (assembly_.empty() || is_held_); }
    void drop_held() {
        is_held_ = false;
        release();
    }

private:
    static constexpr std::size_t kept_capacity = 4096;

    struct Header {
        char type;
        std::size_t length;  // without the type byte
    };
    static Header header_of(Bytes bytes) {
        Cursor cursor(bytes);
        const auto type = static_cast<char>(cursor.u8());
        return {type, cursor.u32()};
    }

    template <typename H>
    static Treatment begin(Header header, H& handler) {
        return handler.begin(header.type, header.length);
    }

    template <typename H>
    std::size_t take_piece(Bytes rest, H& handler) {
        const std::size_t size = std::min(rest_, rest.size());
        rest_ -= size;
        handler.piece(rest.first(size), rest_ == 0);
        return size;
    }

    template <typename H>
    std::size_t take_message(Bytes rest, H& handler) {
        const Header header = header_of(rest);
        const Treatment treatment = begin(header, handler);
        if (treatment == Treatment::malformed) return rest.size();
        const std::size_t total = header.length + 1;
        const std::size_t size = std::min(total, rest.size());
        if (treatment == Treatment::stream) {
            rest_ = total - size;
            handler.piece(rest.first(size), rest_ == 0);
            return size;
        }
        total_ = total;
        if (size == total) {
            if (handler.whole(header.type, rest.first(total)) == Step::taken) return size;
            is_held_ = true;
        }
        append(assembly_, rest.first(size));
        return size;
    }

    template <typename H>
    std::size_t assemble(Bytes rest, H& handler) {
        const std::size_t wanted = assembly_.size() < header_size ? header_size : total_;
        const std::size_t size = std::min(wanted - assembly_.size(), rest.size());
        const bool had_header = assembly_.size() >= header_size;
        append(assembly_, rest.first(size));
        if (assembly_.size() < wanted) return size;
        if (!had_header) {
            const Header header = header_of(assembly_);
            switch (begin(header, handler)) {
                case Treatment::malformed:
                    release();
                    return rest.size();
                case Treatment::stream:
                    rest_ = header.length + 1 - header_size;
                    handler.piece(assembly_, rest_ == 0);
                    handler.flush();
                    release();
                    return size;
                case Treatment::whole:
                    total_ = header.length + 1;
                    break;
            }
        }
        if (assembly_.size() == total_) finish_assembled(handler);
        return size;
    }

    template <typename H>
    void finish_assembled(H& handler) {
        const auto type = static_cast<char>(assembly_.front());
        if (handler.whole(type, assembly_) == Step::held) {
            is_held_ = true;
            return;
        }
        handler.flush();
        release();
    }

    void release() {
        if (assembly_.capacity() > kept_capacity) {
            assembly_ = ByteVector();
        } else {
            assembly_.clear();
        }
    }

    ByteVector assembly_;
    std::size_t total_ = 0;  // of the message being assembled
    std::size_t rest_ = 0;   // of the message being streamed
    bool is_held_ = false;   // assembly_ is a whole message that waits
};

}  // namespace assent::wire::postgres
