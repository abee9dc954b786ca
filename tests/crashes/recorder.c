/* Stands between a process and its disk (LD_PRELOAD): each call that changes what lies under
   one folder is written to a log with its bytes, and the n-th ends the process.

   SQLite's calls and O_DIRECT come by here as Python's do. Before `record_under` nothing is
   touched. One lock holds a call and its record together, so the log has the true order.
   Left out: files that end in -shm, which no database reads after a crash, and times. A flush is
   written down and not done: it changes nothing for a process that is killed, only for a disk
   that loses its power, and that is played from the log; a story takes a quarter of the time. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))
#define PATH 4096

/* One record: this, then the name, then the bytes. Little-endian, as every machine that runs this. */
struct __attribute__((packed)) head {
    char kind;
    uint64_t node, folder, place;
    uint32_t name, bytes;
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH];
static size_t root_length;
static int log_file = -1;
static long calls_left = -1;  /* until the process ends; -1: it lives */
static int torn;              /* the last call writes half of its bytes first */

PUBLIC void record_under(const char *folder, int into, long calls, int halve) {
    root_length = strlen(strcpy(root, folder));
    log_file = into;
    calls_left = calls;
    torn = halve;
}

static int ends_with(const char *path, const char *end) {
    size_t length = strlen(path), wanted = strlen(end);
    return length >= wanted && strcmp(path + length - wanted, end) == 0;
}

static int is_watched(const char *path) {
    return root_length && strncmp(path, root, root_length) == 0 && path[root_length] == '/'
        && !ends_with(path, "-shm");
}

/* The i-node behind an open file or folder that is watched; 0 for any other. */
static uint64_t node_of(int file) {
    char link[64], path[PATH];
    struct stat found;
    if (!root_length || fstat(file, &found) || !(S_ISREG(found.st_mode) || S_ISDIR(found.st_mode))) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (strcmp(path, root) == 0) return found.st_ino;
    return is_watched(path) ? found.st_ino : 0;
}

static uint64_t node_at(const char *path) {
    struct stat found;
    return lstat(path, &found) ? 0 : found.st_ino;
}

static const char *name_in(const char *path) { return strrchr(path, '/') + 1; }

static uint64_t folder_of(const char *path) {
    char folder[PATH];
    snprintf(folder, sizeof folder, "%.*s", (int)(name_in(path) - path - 1), path);
    return node_at(folder);
}

static void put(const void *bytes, size_t count) {
    for (const char *from = bytes; count;) {
        ssize_t done = syscall(SYS_write, log_file, from, count);
        if (done < 0) _exit(99);
        from += done;
        count -= done;
    }
}

static void record(char kind, uint64_t node, uint64_t folder, uint64_t place, const char *name, size_t named,
                   const void *bytes, size_t count) {
    int error = errno;
    struct head head = {kind, node, folder, place, named, count};
    put(&head, sizeof head);
    put(name, named);
    put(bytes, count);
    errno = error;
}

/* Comes before each call. Once the count is out, the process is killed in here. */
static int is_last(void) { return calls_left == 0; }
static void end(void) { syscall(SYS_kill, getpid(), SIGKILL); for (;;) pause(); }
static void step(void) {
    if (is_last()) end();
    if (calls_left > 0) calls_left--;
}

/* ---------------------------------------------------------------- bytes */

static ssize_t written(int file, const struct iovec *pieces, int count, off_t offset) {
    if (offset >= 0) return syscall(SYS_pwritev, file, pieces, count, (long)offset, 0L);
    return syscall(SYS_writev, file, pieces, count);
}

static ssize_t write_all(int file, const struct iovec *pieces, int count, off_t offset) {
    uint64_t node = node_of(file);
    if (!node) return written(file, pieces, count, offset);
    pthread_mutex_lock(&turn);
    if (is_last() && torn) {
        struct iovec half = {pieces[0].iov_base, pieces[0].iov_len / 2};
        if (half.iov_len >= 8192) half.iov_len -= half.iov_len % 4096; /* as O_DIRECT wants it */
        written(file, &half, 1, offset);
        end();
    }
    step();
    off_t place = offset;
    if (offset < 0) {
        struct stat now;
        int flags = fcntl(file, F_GETFL);
        place = (flags & O_APPEND) && !fstat(file, &now) ? now.st_size : lseek(file, 0, SEEK_CUR);
    }
    ssize_t done = written(file, pieces, count, offset), left = done;
    for (int i = 0; i < count && left > 0; i++) {
        size_t size = (size_t)left < pieces[i].iov_len ? (size_t)left : pieces[i].iov_len;
        record('w', node, 0, place, "", 0, pieces[i].iov_base, size);
        place += size;
        left -= size;
    }
    pthread_mutex_unlock(&turn);
    return done;
}

static ssize_t write_one(int file, const void *bytes, size_t count, off_t offset) {
    struct iovec piece = {(void *)bytes, count};
    return write_all(file, &piece, 1, offset);
}

PUBLIC ssize_t write(int file, const void *bytes, size_t count) { return write_one(file, bytes, count, -1); }
PUBLIC ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return write_one(file, bytes, count, at);
}
PUBLIC ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return write_one(file, bytes, count, at);
}
PUBLIC ssize_t writev(int file, const struct iovec *pieces, int count) {
    return write_all(file, pieces, count, -1);
}
PUBLIC ssize_t pwritev(int file, const struct iovec *pieces, int count, off_t at) {
    return write_all(file, pieces, count, at);
}
PUBLIC ssize_t pwritev64(int file, const struct iovec *pieces, int count, off64_t at) {
    return write_all(file, pieces, count, at);
}

/* A call on an open file that has no bytes to write down. */
static int on_file(char kind, int file, uint64_t place, long number, long one, long two, long three) {
    uint64_t node = node_of(file);
    if (!node) return syscall(number, file, one, two, three);
    pthread_mutex_lock(&turn);
    step();
    int answer = syscall(number, file, one, two, three);
    if (answer >= 0) record(kind, node, 0, place, "", 0, "", 0);
    pthread_mutex_unlock(&turn);
    return answer < 0 ? answer : 0;
}

/* In place of the flush a call that does nothing. */
PUBLIC int fsync(int file) { return on_file('s', file, 0, SYS_fcntl, F_GETFD, 0, 0); }
PUBLIC int fdatasync(int file) { return on_file('d', file, 0, SYS_fcntl, F_GETFD, 0, 0); }
PUBLIC int ftruncate(int file, off_t size) { return on_file('t', file, size, SYS_ftruncate, size, 0, 0); }
PUBLIC int ftruncate64(int file, off64_t size) { return on_file('t', file, size, SYS_ftruncate, size, 0, 0); }
PUBLIC int posix_fallocate(int file, off_t start, off_t size) {
    return on_file('a', file, start + size, SYS_fallocate, 0, start, size) ? errno : 0;
}
PUBLIC int posix_fallocate64(int file, off64_t start, off64_t size) {
    return posix_fallocate(file, start, size);
}
PUBLIC int fallocate(int file, int mode, off_t start, off_t size) {
    return on_file('a', file, start + size, SYS_fallocate, mode, start, size);
}
PUBLIC int fallocate64(int file, int mode, off64_t start, off64_t size) {
    return fallocate(file, mode, start, size);
}

/* ---------------------------------------------------------------- names */

static int opened(int at, const char *path, int flags, mode_t mode) {
    int watched = (flags & (O_CREAT | O_TRUNC)) && is_watched(path);
    if (!watched) return syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&turn);
    int there = node_at(path) != 0;
    if (!there || (flags & O_TRUNC)) step();
    int file = syscall(SYS_openat, at, path, flags, mode);
    if (file >= 0 && !there)
        record('c', node_at(path), folder_of(path), 0, name_in(path), strlen(name_in(path)), "", 0);
    else if (file >= 0 && (flags & O_TRUNC))
        record('t', node_at(path), 0, 0, "", 0, "", 0);
    pthread_mutex_unlock(&turn);
    return file;
}

#define OPENED(at)                                                                     \
    mode_t mode = 0;                                                                   \
    if (flags & O_CREAT) {                                                             \
        va_list more;                                                                  \
        va_start(more, flags);                                                         \
        mode = va_arg(more, mode_t);                                                   \
        va_end(more);                                                                  \
    }                                                                                  \
    return opened(at, path, flags, mode)

PUBLIC int open(const char *path, int flags, ...) { OPENED(AT_FDCWD); }
PUBLIC int open64(const char *path, int flags, ...) { OPENED(AT_FDCWD); }
PUBLIC int openat(int at, const char *path, int flags, ...) { OPENED(at); }
PUBLIC int openat64(int at, const char *path, int flags, ...) { OPENED(at); }

PUBLIC int mkdirat(int at, const char *path, mode_t mode) {
    if (!is_watched(path)) return syscall(SYS_mkdirat, at, path, mode);
    pthread_mutex_lock(&turn);
    step();
    int answer = syscall(SYS_mkdirat, at, path, mode);
    if (answer == 0)
        record('m', node_at(path), folder_of(path), 0, name_in(path), strlen(name_in(path)), "", 0);
    pthread_mutex_unlock(&turn);
    return answer;
}

PUBLIC int unlinkat(int at, const char *path, int flags) {
    if (!is_watched(path)) return syscall(SYS_unlinkat, at, path, flags);
    pthread_mutex_lock(&turn);
    step();
    int answer = syscall(SYS_unlinkat, at, path, flags);
    if (answer == 0) record('u', 0, folder_of(path), 0, name_in(path), strlen(name_in(path)), "", 0);
    pthread_mutex_unlock(&turn);
    return answer;
}

PUBLIC int renameat(int at, const char *from, int to, const char *path) {
    if (!is_watched(from)) return syscall(SYS_renameat, at, from, to, path);
    pthread_mutex_lock(&turn);
    step();
    int answer = syscall(SYS_renameat, at, from, to, path);
    if (answer == 0) {
        char names[2 * PATH];
        int length = snprintf(names, sizeof names, "%s/%s", name_in(from), name_in(path));
        record('r', node_at(path), folder_of(from), folder_of(path), names, length, "", 0);
    }
    pthread_mutex_unlock(&turn);
    return answer;
}

PUBLIC int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
PUBLIC int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
PUBLIC int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
PUBLIC int rename(const char *from, const char *path) { return renameat(AT_FDCWD, from, AT_FDCWD, path); }
