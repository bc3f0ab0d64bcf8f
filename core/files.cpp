#include "core/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>

#include <cerrno>
#include <system_error>

#include "core/tar_archive.h"

namespace limn {
namespace {

namespace fs = std::filesystem;

/// A file descriptor that closes itself.
struct Descriptor {
  int value;
  explicit Descriptor(int descriptor) : value(descriptor) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int close() {
    const int result = value < 0 ? 0 : ::close(value);
    value = -1;
    return result;
  }
};

std::string reason(int error) { return std::generic_category().message(error); }

[[noreturn]] void cannot_write(const fs::path& file, int error) {
  throw WriteError(file.string() + ": cannot be written: " + reason(error));
}

void write_all(int descriptor, std::string_view bytes, const fs::path& file) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) cannot_write(file, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// The same for several pieces; small ones share a call.
void write_pieces(int descriptor, std::span<const std::string_view> pieces, const fs::path& file) {
  constexpr std::size_t kShared = std::size_t{1} << 20;
  std::string small;
  const auto flush = [&] {
    write_all(descriptor, small, file);
    small.clear();
  };
  for (const std::string_view piece : pieces) {
    if (small.size() + piece.size() > kShared) flush();
    if (piece.size() > kShared / 4) {
      flush();
      write_all(descriptor, piece, file);
    } else {
      small += piece;
    }
  }
  flush();
}

void write_directly(const fs::path& file, std::span<const std::string_view> pieces) {
  Descriptor out(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (out.value < 0) cannot_write(file, errno);
  write_pieces(out.value, pieces, file);
  if (out.close() != 0) cannot_write(file, errno);
}

/// The file that a chain of symbolic links ends at, whether it exists or not.
fs::path behind_links(fs::path file) {
  std::error_code error;
  for (int hops = 0; hops < 40 && fs::is_symlink(fs::symlink_status(file, error)); ++hops) {
    const fs::path target = fs::read_symlink(file, error);
    if (error) break;
    file = target.is_absolute() ? target : file.parent_path() / target;
  }
  return file;
}

/// Removes a temporary file unless it was renamed.
struct Temporary {
  fs::path path;
  bool renamed = false;
  ~Temporary() {
    if (!renamed && !path.empty()) ::unlink(path.c_str());
  }
};

/// Creates a new file beside `target`. Its name is short, so that it fits wherever the target's own name does.
int create_beside(const fs::path& target, fs::path& temporary) {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    temporary = target.parent_path() / (".limn-" + std::to_string(::getpid()) + "-" + std::to_string(attempt) + ".tmp");
    const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0 || errno != EEXIST) return descriptor;
  }
  return -1;
}

void lock_for_writing(int descriptor, const fs::path& path) {
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return;
  if (errno != EWOULDBLOCK) cannot_write(path, errno);
  throw WriteError(path.string() + ": is being written by another process; wait until it has ended");
}

}  // namespace

void each_line(std::string_view text, const std::function<void(std::string_view line, std::size_t number)>& use) {
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) use(line, number);
  }
}

std::string read_file(const fs::path& file) {
  Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (in.value < 0) {
    const int error = errno;
    if (const auto inside = error == ENOTDIR ? inside_archive(file) : std::nullopt) {
      const std::shared_ptr<const Archive> archive = open_archive(inside->archive);
      if (const ArchiveFile* found = archive->find(inside->name)) return std::string(found->bytes);
      throw InputError(file.string() + ": the archive has no such file");
    }
    throw InputError(file.string() + ": cannot be opened: " + reason(error));
  }
  std::string bytes;
  struct stat status {};
  if (::fstat(in.value, &status) == 0 && S_ISREG(status.st_mode))
    bytes.reserve(static_cast<std::size_t>(status.st_size) + 1);
  constexpr std::size_t chunk = std::size_t{1} << 18;
  for (;;) {
    const std::size_t before = bytes.size();
    bytes.resize(std::max(std::min(bytes.capacity(), before + chunk), before + 1));
    const ssize_t got = ::read(in.value, bytes.data() + before, bytes.size() - before);
    const int error = errno;
    bytes.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
    if (got == 0) return bytes;
    if (got < 0 && error != EINTR) throw InputError(file.string() + ": cannot be read: " + reason(error));
  }
}

void write_file(const fs::path& file, std::string_view bytes) { write_file(file, std::span(&bytes, 1)); }

void write_file(const fs::path& file, std::span<const std::string_view> pieces) {
  const fs::path target = behind_links(file);
  struct stat status {};
  const bool exists = ::stat(target.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) cannot_write(file, EISDIR);
  if (exists && !S_ISREG(status.st_mode)) return write_directly(target, pieces);
  if (target.filename().empty()) cannot_write(file, EISDIR);

  Temporary temporary;
  Descriptor out(create_beside(target, temporary.path));
  if (out.value < 0) {
    const int error = errno;
    temporary.path.clear();
    cannot_write(file, error);
  }
  if (exists) static_cast<void>(::fchmod(out.value, status.st_mode & 07777));
  write_pieces(out.value, pieces, file);
  if (::fsync(out.value) != 0 && errno != EINVAL) cannot_write(file, errno);
  if (out.close() != 0) cannot_write(file, errno);
  if (::rename(temporary.path.c_str(), target.c_str()) != 0) cannot_write(file, errno);
  temporary.renamed = true;
}

FolderLock::FolderLock(const fs::path& folder)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  Descriptor held(descriptor_);  // closes it where the constructor fails
  if (held.value < 0) cannot_write(folder, errno);
  lock_for_writing(held.value, folder);
  held.value = -1;
}

FolderLock::~FolderLock() { ::close(descriptor_); }

AppendFile::AppendFile(const fs::path& file)
    : path_(file), descriptor_(::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)) {
  Descriptor out(descriptor_);  // closes it where the constructor fails
  if (out.value < 0) cannot_write(file, errno);
  lock_for_writing(out.value, file);
  struct stat held {
  }, named{};
  if (::fstat(out.value, &held) != 0) cannot_write(file, errno);
  // Between opening and locking another process may have put a new file in its place.
  if (::stat(file.c_str(), &named) != 0 || named.st_ino != held.st_ino || named.st_dev != held.st_dev)
    throw WriteError(file.string() + ": was replaced by another process just now; try again");
  size_ = static_cast<std::uint64_t>(held.st_size);
  out.value = -1;
}

AppendFile::~AppendFile() { ::close(descriptor_); }

void AppendFile::append(std::span<const std::string_view> pieces) {
  try {
    write_pieces(descriptor_, pieces, path_);
    if (::fdatasync(descriptor_) != 0 && errno != EINVAL) cannot_write(path_, errno);
  } catch (const WriteError&) {
    static_cast<void>(::ftruncate(descriptor_, static_cast<off_t>(size_)) == 0);
    throw;
  }
  for (const std::string_view piece : pieces) size_ += piece.size();
}

void AppendFile::cut(std::uint64_t size) {
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) cannot_write(path_, errno);
  size_ = size;
}

MappedFile::MappedFile(const fs::path& file) : path_(file) {
  // O_NONBLOCK: a named pipe is refused below instead of waiting for its writer.
  Descriptor in(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (in.value < 0) throw InputError(file.string() + ": cannot be opened: " + reason(errno));
  struct stat status {};
  if (::fstat(in.value, &status) != 0) throw InputError(file.string() + ": cannot be read: " + reason(errno));
  if (S_ISDIR(status.st_mode)) throw InputError(file.string() + ": is a folder, expected a file");
  if (!S_ISREG(status.st_mode)) throw InputError(file.string() + ": is not a regular file");
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, in.value, 0);
  if (mapped == MAP_FAILED) throw InputError(file.string() + ": cannot be mapped: " + reason(errno));
  data_ = static_cast<const char*>(mapped);
}

MappedFile::~MappedFile() {
  if (size_ != 0) ::munmap(const_cast<char*>(data_), size_);
}

}  // namespace limn
