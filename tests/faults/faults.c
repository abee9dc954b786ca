/* A disk and a clock that fail on demand, preloaded into a host's process.
 *
 * $CONSIGNE_TEST_FAULTS names a file of ORDERS bytes, mapped by every process and written by the
 * test: lines of `<kind> <part of a path> <errno>`, and `clock * <seconds>` added to the time of day.
 * $CONSIGNE_TEST_TRACE names a file to which each write, flush, renaming and removal
 * below $CONSIGNE_TEST_FOLDER is appended, so that the test knows what a power cut would leave.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define ORDERS 4096

static const char *orders = "";
static const char *folder = "/nowhere";
static int trace = -1;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("CONSIGNE_TEST_FAULTS");
    int file = name ? syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0) : -1;
    void *there = file >= 0 ? mmap(NULL, ORDERS, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
    if (there != MAP_FAILED) orders = there;
    if (file >= 0) syscall(SYS_close, file);
    if (getenv("CONSIGNE_TEST_FOLDER")) folder = getenv("CONSIGNE_TEST_FOLDER");
    name = getenv("CONSIGNE_TEST_TRACE");
    if (name) trace = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

/* Whether a path contains a part, or ends with one that ends with a `$`. */
static int speaks_of(const char *path, const char *part) {
    size_t size = strlen(part), whole = strlen(path);
    if (size && part[size - 1] == '$')
        return whole >= size - 1 && !strncmp(path + whole - (size - 1), part, size - 1);
    return strstr(path, part) != NULL;
}

/* The number that the orders hold for a kind of call on this path; 0: nothing. */
static long long ordered(const char *kind, const char *path) {
    char copy[ORDERS], *line, *rest, known[16], part[256];
    long long number;
    if (!orders[0]) return 0;
    memcpy(copy, orders, ORDERS - 1);
    copy[ORDERS - 1] = 0;
    for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (sscanf(line, "%15s %255s %lld", known, part, &number) == 3 && !strcmp(known, kind) &&
            speaks_of(path, part))
            return number;
    return 0;
}

static const char *path_of(int file, char *path) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, path, 4095);
    path[size < 0 ? 0 : size] = 0;
    return path;
}

static int below(const char *path) { return !strncmp(path, folder, strlen(folder)); }

static int fails(const char *kind, const char *path) {
    long long number = below(path) ? ordered(kind, path) : 0;
    if (number) errno = (int)number;
    return number != 0;
}

static void note(char what, long long one, long long other, const char *path, const void *data, size_t size) {
    char head[4200];
    if (trace < 0 || !below(path)) return;
    int length = snprintf(head, sizeof head, "%c %lld %lld %s\n", what, one, other, path);
    struct iovec both[2] = {{head, length}, {(void *)data, size}};
    int kept = errno;
    syscall(SYS_writev, trace, both, size ? 2 : 1);
    errno = kept;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = dlsym(RTLD_NEXT, #name)

/* ---------------------------------------------------------------- bytes */

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    char path[4096];
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    if (fails("write", path_of(file, path))) return -1;
    ssize_t done = real(file, data, size, offset);
    if (done > 0) note('W', offset, done, path, data, done);
    return done;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
    return pwrite64(file, data, size, offset);
}

ssize_t write(int file, const void *data, size_t size) {
    char path[4096];
    REAL(ssize_t, write, int, const void *, size_t);
    if (fails("write", path_of(file, path))) return -1;
    off_t offset = below(path) ? lseek(file, 0, SEEK_CUR) : 0;
    ssize_t done = real(file, data, size);
    if (done > 0) note('W', offset, done, path, data, done);
    return done;
}

int ftruncate64(int file, off64_t size) {
    char path[4096];
    REAL(int, ftruncate64, int, off64_t);
    if (fails("write", path_of(file, path))) return -1;
    int done = real(file, size);
    if (!done) note('T', size, 0, path, NULL, 0);
    return done;
}

static int flushed(const char *path, int done) {
    note('S', done == 0, 0, path, NULL, 0);
    return done;
}

int fsync(int file) {
    char path[4096];
    REAL(int, fsync, int);
    return flushed(path, fails("sync", path_of(file, path)) ? -1 : real(file));
}

int fdatasync(int file) {
    char path[4096];
    REAL(int, fdatasync, int);
    return flushed(path, fails("sync", path_of(file, path)) ? -1 : real(file));
}

ssize_t pread64(int file, void *data, size_t size, off64_t offset) {
    char path[4096];
    REAL(ssize_t, pread64, int, void *, size_t, off64_t);
    return fails("read", path_of(file, path)) ? -1 : real(file, data, size, offset);
}

ssize_t preadv64(int file, const struct iovec *into, int count, off64_t offset) {
    char path[4096];
    REAL(ssize_t, preadv64, int, const struct iovec *, int, off64_t);
    return fails("read", path_of(file, path)) ? -1 : real(file, into, count, offset);
}

ssize_t preadv64v2(int file, const struct iovec *into, int count, off64_t offset, int flags) {
    char path[4096];
    REAL(ssize_t, preadv64v2, int, const struct iovec *, int, off64_t, int);
    return fails("read", path_of(file, path)) ? -1 : real(file, into, count, offset, flags);
}

ssize_t preadv(int file, const struct iovec *into, int count, off_t offset) {
    return preadv64(file, into, count, offset);
}

ssize_t preadv2(int file, const struct iovec *into, int count, off_t offset, int flags) {
    return preadv64v2(file, into, count, offset, flags);
}

/* ---------------------------------------------------------------- names */

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
    va_end(more);
    REAL(int, open64, const char *, int, ...);
    if ((flags & (O_ACCMODE | O_CREAT)) && fails("change", path)) return -1;
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open64(path, flags, mode);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    return fails("change", path) ? -1 : real(path, mode);
}

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    if (fails("change", to)) return -1;
    int done = real(from, to);
    if (!done) note('R', 0, strlen(to), from, to, strlen(to));
    return done;
}

int futimens(int file, const struct timespec times[2]) {
    char path[4096];
    REAL(int, futimens, int, const struct timespec *);
    return fails("change", path_of(file, path)) ? -1 : real(file, times);
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    if (fails("change", path)) return -1;
    int done = real(path);
    if (!done) note('U', 0, 0, path, NULL, 0);
    return done;
}

/* ---------------------------------------------------------------- time */

int clock_gettime(clockid_t which, struct timespec *now) {
    REAL(int, clock_gettime, clockid_t, struct timespec *);
    int done = real(which, now);
    if (!done && which == CLOCK_REALTIME) now->tv_sec += ordered("clock", "*");
    return done;
}

time_t time(time_t *now) {
    struct timespec there;
    clock_gettime(CLOCK_REALTIME, &there);
    if (now) *now = there.tv_sec;
    return there.tv_sec;
}
