// A hold's request, and a grant, as bytes for the database. CBOR, because an agent's text need not be UTF-8 and has to come
// back as it was.
#pragma once

#include <string>

#include "approve/grant.h"
#include "base/bytes.h"
#include "base/result.h"
#include "model/hold.h"

namespace assent::approve {

[[nodiscard]] ByteVector encode_request(const model::HoldRequest& request);
// Errc::malformed when the bytes are not of encode_request().
[[nodiscard]] Result<model::HoldRequest> decode_request(Bytes bytes);

// What of a grant does not change.
[[nodiscard]] ByteVector encode_grant(const Grant& grant);
[[nodiscard]] Result<> decode_grant(Bytes bytes, Grant& grant);

// How many bytes the texts of the request take when they are shown to a reviewer (escaped, in JSON).
[[nodiscard]] std::size_t shown_size(const model::HoldRequest& request);

}  // namespace assent::approve
