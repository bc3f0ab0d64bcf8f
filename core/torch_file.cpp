#include "core/torch_file.h"

#include <mutex>

#include "core/ops.h"
#include "core/pickle.h"
#include "core/torch_tensors.h"
#include "core/zip.h"

namespace limn {
namespace {

using Kind = PickleNode::Kind;

constexpr std::size_t kLongestPickle = std::size_t{1} << 28;
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";  // 0x1950a86a20f9469cfc6c
constexpr std::int64_t kLegacyProtocol = 1001;

std::int64_t storage_bytes(const StorageReference& storage) {
  return storage.numel * static_cast<std::int64_t>(c10::elementSize(storage.dtype));
}

void check_storage(const StorageReference& storage, std::uint64_t got, const std::string& where) {
  const auto expected = static_cast<std::uint64_t>(storage_bytes(storage));
  if (got != expected)
    throw CheckpointError(where + ": storage \"" + storage.key + "\": got " + std::to_string(got) +
                          " bytes, expected " + std::to_string(expected));
}

// --- the zip container -----------------------------------------------------------------------------------------------

/// An archive whose unpacked entries are shared while somebody uses them, so that many views of one storage do not
/// unpack it many times.
class Archive {
 public:
  explicit Archive(std::shared_ptr<const MappedFile> file) : zip_(std::move(file)) {}

  const ZipFile& zip() const { return zip_; }

  OwnedBytes content(const std::string& name) {
    const std::lock_guard lock(mutex_);
    Unpacked& known = unpacked_[name];
    if (const auto owner = known.owner.lock()) return {known.view, owner};
    const OwnedBytes bytes = zip_.content(name);
    known = {bytes.view, bytes.owner};
    return bytes;
  }

 private:
  struct Unpacked {
    std::string_view view;
    std::weak_ptr<const void> owner;
  };
  ZipFile zip_;
  std::mutex mutex_;
  std::map<std::string, Unpacked> unpacked_;
};

/// "archive/" of "archive/data.pkl".
std::string archive_prefix(const ZipFile& zip, const std::string& where) {
  constexpr std::string_view pickle = "data.pkl";
  std::string prefix;
  bool found = false;
  for (const auto& [name, entry] : zip.entries()) {
    if (!name.ends_with(pickle) || std::count(name.begin(), name.end(), '/') > 1) continue;
    const std::string stem = name.substr(0, name.size() - pickle.size());
    if (!stem.empty() && stem.back() != '/') continue;
    if (found) throw CheckpointError(where + ": got several data.pkl, expected one");
    prefix = stem;
    found = true;
  }
  if (!found) throw CheckpointError(where + ": is a zip archive without data.pkl, expected what torch.save writes");
  if (zip.entries().contains(prefix + "constants.pkl"))
    throw CheckpointError(where + ": is a TorchScript program, expected a state dict; save model.state_dict() instead");
  return prefix;
}

TensorTable read_zip(std::shared_ptr<const MappedFile> mapped, const std::filesystem::path& file) {
  const std::string where = file.string();
  const auto archive = std::make_shared<Archive>(std::move(mapped));
  const auto& entries = archive->zip().entries();
  const std::string prefix = archive_prefix(archive->zip(), where);
  if (entries.contains(prefix + "byteorder")) {
    const OwnedBytes order = archive->content(prefix + "byteorder");
    if (order.view != "little")
      throw CheckpointError(where + ": byteorder: got \"" + std::string(order.view.substr(0, 20)) +
                            "\", expected \"little\"");
  }
  if (entries.at(prefix + "data.pkl").size > kLongestPickle)
    throw CheckpointError(where + ": data.pkl is beyond 256 MB");
  const OwnedBytes bytes = archive->content(prefix + "data.pkl");
  const Pickle pickle = read_pickle(bytes.view, where, admitted_in_checkpoint);
  return tensors_in(pickle, file, [&](const StorageReference& storage) -> std::function<OwnedBytes()> {
    const std::string name = prefix + "data/" + storage.key;
    const auto entry = entries.find(name);
    if (entry == entries.end()) throw CheckpointError(where + ": storage \"" + storage.key + "\" is missing");
    check_storage(storage, entry->second.size, where);
    // A stored entry's place is checked now; a packed one is unpacked when it is asked for.
    if (entry->second.method == 0) return [content = archive->content(name)] { return content; };
    return [archive, name] { return archive->content(name); };
  });
}

// --- the older container ---------------------------------------------------------------------------------------------

/// Reads one pickle after the other, then the raw storages.
class LegacyFile {
 public:
  LegacyFile(std::shared_ptr<const MappedFile> mapped, const std::filesystem::path& file)
      : mapped_(std::move(mapped)), file_(file), where_(file.string()), rest_(mapped_->bytes()) {}

  TensorTable read() {
    check_head();
    const Pickle object = next_pickle();
    const std::map<std::string, std::string_view> storages = read_storages(object);
    return tensors_in(object, file_, [&](const StorageReference& storage) -> std::function<OwnedBytes()> {
      const auto found = storages.find(storage.key);
      if (found == storages.end()) throw CheckpointError(where_ + ": storage \"" + storage.key + "\" is missing");
      check_storage(storage, found->second.size(), where_);
      return [bytes = OwnedBytes{found->second, mapped_}] { return bytes; };
    });
  }

 private:
  Pickle next_pickle() {
    Pickle pickle = read_pickle(rest_, where_, admitted_in_checkpoint);
    rest_.remove_prefix(pickle.length);
    return pickle;
  }

  void check_head() {
    const Pickle magic = next_pickle();
    const PickleNode& number = magic[magic.root];
    if (number.kind != Kind::big || number.text != kMagic)
      throw CheckpointError(where_ + ": is a pickle, expected what torch.save writes");
    const Pickle protocol = next_pickle();
    const PickleNode& version = protocol[protocol.root];
    if (version.kind != Kind::integer || version.integer != kLegacyProtocol)
      throw CheckpointError(where_ + ": torch.save's protocol: expected " + std::to_string(kLegacyProtocol));
    const Pickle system = next_pickle();
    const PickleNode& facts = system[system.root];
    for (std::size_t i = 0; facts.kind == Kind::dict && i < facts.items.size(); i += 2) {
      const PickleNode &key = system[facts.items[i]], &value = system[facts.items[i + 1]];
      if (key.text == "little_endian" && (value.kind != Kind::boolean || value.integer != 1))
        throw CheckpointError(where_ + ": byte order: got big-endian, expected little-endian");
    }
  }

  /// The list of storage keys, then each storage: its number of elements in 8 bytes, its bytes.
  std::map<std::string, std::string_view> read_storages(const Pickle& object) {
    std::map<std::string, std::int64_t> item_sizes;  // by key
    for (const PickleNode& node : object.nodes) {
      if (node.kind != Kind::persistent) continue;
      const StorageReference storage = storage_reference(object, node, where_);
      item_sizes[storage.key] = static_cast<std::int64_t>(c10::elementSize(storage.dtype));
    }
    const Pickle keys = next_pickle();
    if (keys[keys.root].kind != Kind::list) throw CheckpointError(where_ + ": expected a list of storage keys");
    std::map<std::string, std::string_view> storages;
    for (const std::uint32_t index : keys[keys.root].items) {
      const std::string key(keys[index].text);
      const auto item = item_sizes.find(key);
      if (keys[index].kind != Kind::text || item == item_sizes.end())
        throw CheckpointError(where_ + ": lists a storage \"" + key + "\" that no tensor uses");
      std::uint64_t size = 0;
      if (__builtin_mul_overflow(next_count(key), static_cast<std::uint64_t>(item->second), &size) ||
          size > rest_.size())
        throw CheckpointError(where_ + ": storage \"" + key + "\": the file ends within it; is the file truncated?");
      if (!storages.emplace(key, rest_.substr(0, size)).second)
        throw CheckpointError(where_ + ": storage \"" + key + "\" is listed twice");
      rest_.remove_prefix(size);
    }
    return storages;
  }

  std::uint64_t next_count(const std::string& key) {
    if (rest_.size() < 8)
      throw CheckpointError(where_ + ": storage \"" + key + "\": the file ends before it; is the file truncated?");
    std::uint64_t count = 0;
    for (std::size_t i = 8; i-- > 0;) count = count << 8 | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(8);
    return count;
  }

  std::shared_ptr<const MappedFile> mapped_;
  const std::filesystem::path& file_;
  const std::string where_;
  std::string_view rest_;
};

}  // namespace

TensorTable read_torch_file(const std::filesystem::path& file) {
  const auto mapped = map_checkpoint(file);
  if (mapped->bytes().starts_with("PK")) return read_zip(mapped, file);
  return LegacyFile(mapped, file).read();
}

}  // namespace limn
