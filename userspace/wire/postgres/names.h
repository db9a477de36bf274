// Prepared statements and portals by name. A name is made on the way to the server and confirmed on the way back, and the
// agent may be many messages ahead: each entry knows what the name will mean when all goes well (latest), and what it means
// on the server as far as it has answered (confirmed).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace assent::wire::postgres {

// Objects that are used again instead of freed, counted by their references. One thread; the pool outlives its references.
template <typename T>
class Pool;

template <typename T>
class Ref {
public:
    Ref() = default;
    Ref(T* object, Pool<T>* pool) : object_(object), pool_(pool) { ++object_->uses; }
    Ref(const Ref& other) : object_(other.object_), pool_(other.pool_) {
        if (object_ != nullptr) ++object_->uses;
    }
    Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)), pool_(other.pool_) {}
    Ref& operator=(Ref other) noexcept {
        std::swap(object_, other.object_);
        std::swap(pool_, other.pool_);
        return *this;
    }
    ~Ref() {
        if (object_ != nullptr && --object_->uses == 0) pool_->take_back(object_);
    }
    T* operator->() const { return object_; }
    T& operator*() const { return *object_; }
    explicit operator bool() const { return object_ != nullptr; }
    bool operator==(const Ref& other) const { return object_ == other.object_; }

private:
    T* object_ = nullptr;
    Pool<T>* pool_ = nullptr;
};

template <typename T>
class Pool {
public:
    Ref<T> make() {
        if (spare_.empty()) return Ref<T>(new T(), this);
        T* object = spare_.back().release();
        spare_.pop_back();
        return Ref<T>(object, this);
    }
    void take_back(T* object) {
        std::unique_ptr<T> owned(object);
        if (spare_.size() >= spare_limit) return;
        owned->reset();
        spare_.push_back(std::move(owned));
    }

private:
    static constexpr std::size_t spare_limit = 4;
    std::vector<std::unique_ptr<T>> spare_;
};

// T has `std::string name` and `bool is_known`.
template <typename T>
class NameTable {
public:
    struct Found {
        bool is_settled = true;  // false: what the name means depends on answers that have not come
        Ref<T> object;           // none: nothing of this name was made through the protocol
    };

    [[nodiscard]] Found find(std::string_view name, std::uint64_t batch) const {
        const Entry* entry = entry_of(name);
        if (entry == nullptr) return {};
        // Within one batch a failure skips what follows, so what was made in it can be relied on.
        if (entry->pending > 0 && entry->batch != batch) return {false, {}};
        return {true, entry->latest};
    }

    void make(const Ref<T>& object, std::uint64_t batch) { put(object->name, object, batch); }
    // The agent asked to close it; gives what will be closed.
    Ref<T> close(std::string_view name, std::uint64_t batch) {
        const Entry* entry = entry_of(name);
        if (entry == nullptr || !entry->latest) return {};
        Ref<T> object = entry->latest;
        put(object->name, {}, batch);
        return object;
    }

    // The server did what make() or close() (no object) announced; gives what the name meant before.
    Ref<T> confirm(const std::string& name, Ref<T> object) {
        Entry& entry = entry_at(name);
        Ref<T> before = std::exchange(entry.confirmed, std::move(object));
        settle(name, entry);
        return before;
    }
    // The server did not do it. loses_confirmed: what the name meant before is gone all the same.
    Ref<T> undo(const std::string& name, bool loses_confirmed) {
        Entry& entry = entry_at(name);
        Ref<T> before;
        if (loses_confirmed) before = std::exchange(entry.confirmed, {});
        settle(name, entry);
        return before;
    }

    // Names may mean something else now: what is known of them is not to be relied on.
    void distrust_all() {
        distrust(unnamed_);
        for (auto& [name, entry] : named_) distrust(entry);
    }
    // All confirmed ones are gone from the server; shows each of them.
    template <typename F>
    void drop_confirmed(F&& gone) {
        drop(unnamed_, gone);
        for (auto it = named_.begin(); it != named_.end();) {
            drop(it->second, gone);
            it = it->second.pending == 0 ? named_.erase(it) : std::next(it);
        }
    }
    // Forgets the settled ones that `is_old` says; shows each of them. The server keeps them, under names not known here.
    template <typename IsOld, typename F>
    void forget_if(IsOld&& is_old, F&& gone) {
        for (auto it = named_.begin(); it != named_.end();) {
            Entry& entry = it->second;
            if (entry.pending == 0 && entry.confirmed && is_old(*entry.confirmed)) {
                gone(entry.confirmed);
                it = named_.erase(it);
            } else {
                ++it;
            }
        }
    }
    [[nodiscard]] std::size_t size() const { return named_.size(); }

private:
    struct Entry {
        Ref<T> latest;
        Ref<T> confirmed;
        std::uint64_t batch = 0;    // in which latest was made
        std::uint32_t pending = 0;  // makes and closes that the server has not answered; 0: latest == confirmed
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };

    const Entry* entry_of(std::string_view name) const {
        if (name.empty()) return &unnamed_;
        const auto it = named_.find(name);
        return it == named_.end() ? nullptr : &it->second;
    }
    Entry& entry_at(const std::string& name) { return name.empty() ? unnamed_ : named_[name]; }

    void put(const std::string& name, Ref<T> object, std::uint64_t batch) {
        Entry& entry = entry_at(name);
        entry.latest = std::move(object);
        entry.batch = batch;
        ++entry.pending;
    }
    void settle(const std::string& name, Entry& entry) {
        if (entry.pending > 0) --entry.pending;
        if (entry.pending > 0) return;
        entry.latest = entry.confirmed;
        if (!entry.latest && !name.empty()) named_.erase(name);
    }
    static void distrust(Entry& entry) {
        if (entry.latest) entry.latest->is_known = false;
        if (entry.confirmed) entry.confirmed->is_known = false;
    }
    template <typename F>
    static void drop(Entry& entry, F& gone) {
        Ref<T> object = std::exchange(entry.confirmed, {});
        if (entry.pending == 0) entry.latest = {};
        if (object) gone(object);
    }

    Entry unnamed_;
    std::unordered_map<std::string, Entry, Hash, std::equal_to<>> named_;
};

}  // namespace assent::wire::postgres
