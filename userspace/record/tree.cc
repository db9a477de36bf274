#include "record/tree.h"

#include <bit>
#include <cassert>
#include <cstdlib>
#include <memory>

#include <openssl/evp.h>

namespace assent::record {
namespace {

// Fetching the algorithm and making a context cost more than hashing a small leaf, so both are made once a thread.
class Hasher {
public:
    Hasher()
        : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr), &EVP_MD_free), context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
        if (algorithm_ == nullptr || context_ == nullptr) std::abort();
    }

    Digest hash(std::initializer_list<Bytes> parts) {
        Digest out{};
        bool ok = EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr) == 1;
        for (const Bytes part : parts) ok = ok && EVP_DigestUpdate(context_.get(), part.data(), part.size()) == 1;
        ok = ok && EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1;
        if (!ok) std::abort();  // a digest that is not one must never be compared
        return out;
    }

private:
    std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> algorithm_;
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

Hasher& hasher() {
    static thread_local Hasher instance;
    return instance;
}

constexpr std::byte leaf_prefix{0x00};
constexpr std::byte node_prefix{0x01};

Digest node_hash(const Digest& left, const Digest& right) { return hasher().hash({Bytes(&node_prefix, 1), left, right}); }

}  // namespace

Digest leaf_hash(Bytes leaf) { return hasher().hash({Bytes(&leaf_prefix, 1), leaf}); }

Digest body_hash(Bytes body) { return hasher().hash({body}); }

std::optional<Tree> Tree::resume(std::uint64_t size, std::vector<Digest> frontier) {
    if (frontier.size() != static_cast<std::size_t>(std::popcount(size))) return std::nullopt;
    Tree tree;
    tree.size_ = size;
    tree.frontier_ = std::move(frontier);
    return tree;
}

void Tree::add(const Digest& hash) {
    Digest node = hash;
    for (std::uint64_t rest = size_; (rest & 1U) != 0; rest >>= 1U) {
        node = node_hash(frontier_.back(), node);
        frontier_.pop_back();
    }
    frontier_.push_back(node);
    ++size_;
    assert(frontier_.size() == static_cast<std::size_t>(std::popcount(size_)));
}

Digest Tree::root() const {
    if (frontier_.empty()) return body_hash({});
    Digest node = frontier_.back();
    for (std::size_t i = frontier_.size() - 1; i > 0; --i) node = node_hash(frontier_[i - 1], node);
    return node;
}

}  // namespace assent::record
