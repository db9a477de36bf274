// Takes the keys of Encrypted Client Hello out of answers (RFC 9460, SvcParamKey "ech"). A client that has them hides from
// everybody on the way which server it means; without them it says so (SNI), and targets can be told apart by name.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/result.h"

namespace assent::wire::dns {

// The answer without such keys, and without signatures over what was changed; its names are written out, and of the sections
// behind the answers only EDNS is left. Nothing: there are none. Errc::malformed: it cannot be read, and may have some.
[[nodiscard]] Result<std::optional<ByteVector>> without_ech(Bytes answer);

}  // namespace assent::wire::dns
