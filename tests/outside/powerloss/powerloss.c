/* Simulated power loss: what was not synced is gone.
 *
 * `kill -9` proves nothing about fsync: the page cache outlives the process. This library is preloaded into the server and
 * keeps, for every file below POWERLOSS_DIR, a *durable image* below POWERLOSS_IMAGE: the file as it was
 * when fsync or fdatasync last returned. SIGKILL cannot be caught, so nothing is done at the kill. The images are on disk
 * before each sync returns; after the kill the harness (power.py) lays them in place of the data, and a file that was never
 * synced is gone.
 *
 * What is modelled, and what is not:
 * - Contents: exact. Only the byte ranges written since the last sync are copied, so a commit costs a few pages.
 * - A kill in the middle of a sync leaves the image with some of its pages: a torn sync, as a disk would.
 * - The real fsync is not called: the page cache survives a SIGKILL, so it would cost time and prove nothing.
 * - Directories are simple: a file's creation becomes durable with its own first sync, rename, link and unlink at once, in order
 *   (a journalled file system's order, without its delay). A rename of a file never synced leaves an EMPTY file where
 *   another one was, as ext4 may. Syncing a directory does nothing. Renaming a directory is not followed.
 * - Shared writable mappings are not seen. SQLite maps only its -shm file, which needs no durability: it is rebuilt.
 * - stdio writes inside libc are not seen one by one; a sync of such a file copies all of it.
 * - sync(), syncfs() and O_SYNC make nothing durable here. That errs towards loss, so a server that relies on them fails
 *   loudly and wrongly, never quietly.
 *
 * POSIX record locks are dropped when *any* descriptor of the file is closed by the process. So this library never closes a
 * descriptor of a data file that it opened itself: one reader per file is kept for the life of the process. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_FD 65536
#define MERGE_AT 4096 /* ranges kept apart before they are merged into one: bounds memory, costs a larger copy */

struct range { off_t from, to; };

struct file {
    dev_t dev;
    ino_t ino;
    char name[PATH_MAX]; /* below the data folder */
    int reader;          /* ours, never closed */
    int image;           /* -1 until the first sync */
    int gone;            /* unlinked or renamed over: its contents no longer matter */
    off_t low;           /* smallest size since the last sync: what a truncation threw away must not come back */
    struct range *dirty;
    size_t count, room;
    pthread_mutex_t lock;
    struct file *next;
};

static char data_dir[PATH_MAX], image_dir[PATH_MAX];
static int active;
static _Atomic(struct file *) of_fd[MAX_FD];
static struct file *files; /* never freed: tests are short, and a stale pointer is worse than a leak */
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#define REAL(name) ((__typeof__(&name))real[R_##name])
enum {
    R_open, R_open64, R_openat, R_openat64, R_creat, R_creat64, R_close, R_dup, R_dup2, R_dup3, R_fcntl, R_fcntl64,
    R_write, R_writev, R_pwrite, R_pwrite64, R_pwritev, R_pwritev64, R_pwritev2, R_pwritev64v2, R_ftruncate, R_ftruncate64, R_truncate, R_truncate64,
    R_fallocate, R_fallocate64, R_copy_file_range, R_fsync, R_fdatasync, R_rename, R_renameat, R_renameat2, R_unlink,
    R_unlinkat, R_remove, R_link, R_linkat, R_COUNT
};
static const char *const names[R_COUNT] = {
    "open", "open64", "openat", "openat64", "creat", "creat64", "close", "dup", "dup2", "dup3", "fcntl", "fcntl64",
    "write", "writev", "pwrite", "pwrite64", "pwritev", "pwritev64", "pwritev2", "pwritev64v2", "ftruncate", "ftruncate64", "truncate", "truncate64",
    "fallocate", "fallocate64", "copy_file_range", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink",
    "unlinkat", "remove", "link", "linkat",
};
static void *real[R_COUNT];

static void die(const char *what) {
    dprintf(2, "powerloss: %s: %s\n", what, strerror(errno));
    _exit(99); /* a shim that goes on after losing track would call a broken server whole */
}

static void start(void) {
    for (int i = 0; i < R_COUNT; i++)
        if (!(real[i] = dlsym(RTLD_NEXT, names[i]))) die(names[i]);
    const char *data = getenv("POWERLOSS_DIR"), *image = getenv("POWERLOSS_IMAGE");
    if (!data || !image) return;
    if (!realpath(data, data_dir) || !realpath(image, image_dir)) die("POWERLOSS_DIR or _IMAGE");
    active = 1;
}

__attribute__((constructor)) static void loaded(void) { pthread_once(&once, start); }
#define READY() pthread_once(&once, start)

/* The path below the data folder, or NULL. */
static const char *below(const char *full) {
    size_t n = strlen(data_dir);
    return strncmp(full, data_dir, n) == 0 && full[n] == '/' ? full + n + 1 : NULL;
}

/* `path` may not exist (any more), its folder does. */
static const char *resolve(int dirfd, const char *path, char *full) {
    if (!active) return NULL;
    char base[PATH_MAX], joined[PATH_MAX * 2], folder[PATH_MAX];
    if (path[0] == '/' || dirfd == AT_FDCWD) {
        snprintf(joined, sizeof joined, "%s", path);
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
        ssize_t n = readlink(link, base, sizeof base - 1);
        if (n < 0) return NULL;
        base[n] = 0;
        snprintf(joined, sizeof joined, "%s/%s", base, path);
    }
    char *cut = strrchr(joined, '/');
    const char *leaf = cut ? cut + 1 : joined;
    if (!cut) strcpy(base, ".");
    else snprintf(base, sizeof base, "%.*s", cut == joined ? 1 : (int)(cut - joined), joined);
    if (!realpath(base, folder) || strlen(folder) + strlen(leaf) + 2 > PATH_MAX) return NULL;
    stpcpy(stpcpy(stpcpy(full, folder), "/"), leaf);
    return below(full);
}

static void image_path(const char *name, char *out) {
    if (snprintf(out, PATH_MAX, "%s/%s", image_dir, name) >= PATH_MAX) { errno = ENAMETOOLONG; die(name); }
}

static void make_folders(char *path) {
    for (char *p = path + strlen(image_dir) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        if (mkdir(path, 0700) && errno != EEXIST) die(path);
        *p = '/';
    }
}

static void mark(struct file *f, off_t from, off_t to) {
    if (to <= from) return;
    if (f->count) { /* appending, or writing the same page again: by far the most frequent */
        struct range *last = &f->dirty[f->count - 1];
        if (from <= last->to && to >= last->from) {
            if (from < last->from) last->from = from;
            if (to > last->to) last->to = to;
            return;
        }
    }
    if (f->count == MERGE_AT) {
        for (size_t i = 1; i < f->count; i++) {
            if (f->dirty[i].from < f->dirty[0].from) f->dirty[0].from = f->dirty[i].from;
            if (f->dirty[i].to > f->dirty[0].to) f->dirty[0].to = f->dirty[i].to;
        }
        f->count = 1;
    }
    if (f->count == f->room) {
        f->room = f->room ? f->room * 2 : 64;
        if (!(f->dirty = realloc(f->dirty, f->room * sizeof *f->dirty))) die("memory");
    }
    f->dirty[f->count++] = (struct range){from, to};
}

/* Begins to follow the file behind `fd`, or finds it; NULL for everything that is no file of the data folder. */
static struct file *follow(int fd) {
    if (!active || fd < 0 || fd >= MAX_FD) return NULL;
    struct stat st;
    char link[64], full[PATH_MAX], path[PATH_MAX];
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, full, sizeof full - 1);
    if (n <= 0) return NULL;
    full[n] = 0;
    const char *name = below(full);
    if (!name) return NULL;
    pthread_mutex_lock(&table);
    struct file *f = files;
    while (f && (f->gone || f->dev != st.st_dev || f->ino != st.st_ino)) f = f->next;
    if (!f) {
        if (!(f = calloc(1, sizeof *f))) die("memory");
        f->dev = st.st_dev;
        f->ino = st.st_ino;
        snprintf(f->name, sizeof f->name, "%s", name);
        pthread_mutex_init(&f->lock, NULL);
        f->image = -1;
        if ((f->reader = REAL(openat)(AT_FDCWD, link, O_RDONLY | O_CLOEXEC)) < 0) die(name);
        f->low = st.st_size;
        image_path(name, path);
        if (access(path, F_OK)) { /* never synced while we looked: all of it counts as unsynced */
            f->low = 0;
            mark(f, 0, st.st_size);
        }
        f->next = files;
        files = f;
    }
    atomic_store(&of_fd[fd], f);
    pthread_mutex_unlock(&table);
    return f;
}

static struct file *known(int fd) { return fd >= 0 && fd < MAX_FD ? atomic_load(&of_fd[fd]) : NULL; }

static int opened(int fd, int flags) {
    if (fd < 0 || fd >= MAX_FD) return fd;
    int saved = errno;
    atomic_store(&of_fd[fd], NULL);
    struct file *f = follow(fd);
    if (f && (flags & O_TRUNC)) {
        pthread_mutex_lock(&f->lock);
        f->low = 0;
        f->count = 0;
        pthread_mutex_unlock(&f->lock);
    }
    errno = saved;
    return fd;
}

/* The moment of truth: copies what was written since the last sync into the durable image. */
static int make_durable(struct file *f) {
    static __thread char block[1 << 16];
    struct stat st;
    char path[PATH_MAX];
    if (fstat(f->reader, &st)) return -1;
    if (f->image < 0) {
        image_path(f->name, path);
        make_folders(path);
        if ((f->image = REAL(openat)(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0) return -1;
    }
    struct stat was;
    if (fstat(f->image, &was)) return -1;
    if (f->low < was.st_size && REAL(ftruncate)(f->image, f->low)) return -1;
    if (REAL(ftruncate)(f->image, st.st_size)) return -1;
    for (size_t i = 0; i < f->count; i++) {
        off_t at = f->dirty[i].from, to = f->dirty[i].to < st.st_size ? f->dirty[i].to : st.st_size;
        while (at < to) {
            size_t want = (size_t)(to - at) < sizeof block ? (size_t)(to - at) : sizeof block;
            ssize_t got = pread(f->reader, block, want, at);
            if (got <= 0 || REAL(pwrite)(f->image, block, (size_t)got, at) != got) return -1;
            at += got;
        }
    }
    f->count = 0;
    f->low = st.st_size;
    return 0;
}

static int synced(int fd, int (*sync)(int)) {
    struct file *f = known(fd);
    int unseen = !f; /* opened by a way that is not watched (stdio, a fortified open): what was written is not known */
    if (unseen && !(f = follow(fd))) return sync(fd);
    pthread_mutex_lock(&f->lock);
    if (unseen) {
        struct stat st;
        if (fstat(f->reader, &st) == 0) { f->low = 0; mark(f, 0, st.st_size); }
    }
    int failed = !f->gone && make_durable(f);
    pthread_mutex_unlock(&f->lock);
    if (failed) errno = EIO;
    return failed ? -1 : 0;
}

/* ---- opening and closing ---- */
#define MODE(flags, mode) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list ap; va_start(ap, flags); mode = va_arg(ap, mode_t); va_end(ap); }

int open(const char *path, int flags, ...) { READY(); MODE(flags, mode); return opened(REAL(open)(path, flags, mode), flags); }
int open64(const char *path, int flags, ...) { READY(); MODE(flags, mode); return opened(REAL(open64)(path, flags, mode), flags); }
int openat(int at, const char *path, int flags, ...) { READY(); MODE(flags, mode); return opened(REAL(openat)(at, path, flags, mode), flags); }
int openat64(int at, const char *path, int flags, ...) { READY(); MODE(flags, mode); return opened(REAL(openat64)(at, path, flags, mode), flags); }
int creat(const char *path, mode_t mode) { READY(); return opened(REAL(creat)(path, mode), O_TRUNC); }
int creat64(const char *path, mode_t mode) { READY(); return opened(REAL(creat64)(path, mode), O_TRUNC); }

int close(int fd) {
    READY();
    if (fd >= 0 && fd < MAX_FD) atomic_store(&of_fd[fd], NULL); /* before: the number may be given out again at once */
    return REAL(close)(fd);
}

static int copied(int from, int to) {
    if (to >= 0 && to < MAX_FD) atomic_store(&of_fd[to], known(from));
    return to;
}
int dup(int fd) { READY(); return copied(fd, REAL(dup)(fd)); }
int dup2(int fd, int to) { READY(); return copied(fd, REAL(dup2)(fd, to)); }
int dup3(int fd, int to, int flags) { READY(); return copied(fd, REAL(dup3)(fd, to, flags)); }

#define FCNTL(name) \
    int name(int fd, int cmd, ...) { \
        READY(); \
        va_list ap; \
        va_start(ap, cmd); \
        void *arg = va_arg(ap, void *); \
        va_end(ap); \
        int got = REAL(name)(fd, cmd, arg); \
        return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC ? copied(fd, got) : got; \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

/* ---- writing ---- */
#define TRACKED(fd, call, from) \
    READY(); \
    struct file *f = known(fd); \
    if (!f) return call; \
    pthread_mutex_lock(&f->lock); \
    ssize_t n = call; \
    int saved = errno; \
    if (n > 0) { off_t at = (from); mark(f, at, at + n); } \
    pthread_mutex_unlock(&f->lock); \
    errno = saved; \
    return n;
/* After a plain write the position is its end, with O_APPEND too. */
#define BEHIND(fd) (lseek(fd, 0, SEEK_CUR) - n)

ssize_t write(int fd, const void *b, size_t len) { TRACKED(fd, REAL(write)(fd, b, len), BEHIND(fd)) }
ssize_t writev(int fd, const struct iovec *v, int c) { TRACKED(fd, REAL(writev)(fd, v, c), BEHIND(fd)) }
/* Linux appends where a descriptor has O_APPEND, whatever position pwrite names. */
static off_t landed(int fd, off_t at, ssize_t n) {
    struct stat st;
    return REAL(fcntl)(fd, F_GETFL) & O_APPEND && fstat(fd, &st) == 0 ? st.st_size - n : at;
}
ssize_t pwrite(int fd, const void *b, size_t len, off_t o) { TRACKED(fd, REAL(pwrite)(fd, b, len, o), landed(fd, o, n)) }
ssize_t pwrite64(int fd, const void *b, size_t len, off64_t o) { TRACKED(fd, REAL(pwrite64)(fd, b, len, o), landed(fd, o, n)) }
ssize_t pwritev(int fd, const struct iovec *v, int c, off_t o) { TRACKED(fd, REAL(pwritev)(fd, v, c, o), landed(fd, o, n)) }
ssize_t pwritev64(int fd, const struct iovec *v, int c, off64_t o) { TRACKED(fd, REAL(pwritev64)(fd, v, c, o), landed(fd, o, n)) }
#define LANDED2 (o == -1 ? BEHIND(fd) : landed(fd, o, n)) /* -1: at the descriptor's own position */
ssize_t pwritev2(int fd, const struct iovec *v, int c, off_t o, int flags) { TRACKED(fd, REAL(pwritev2)(fd, v, c, o, flags), LANDED2) }
ssize_t pwritev64v2(int fd, const struct iovec *v, int c, off64_t o, int flags) { TRACKED(fd, REAL(pwritev64v2)(fd, v, c, o, flags), LANDED2) }
ssize_t copy_file_range(int in, off64_t *io, int fd, off64_t *oo, size_t len, unsigned flags) {
    TRACKED(fd, REAL(copy_file_range)(in, io, fd, oo, len, flags), oo ? *oo - n : BEHIND(fd))
}

static int cut(struct file *f, off_t size, int result) {
    if (f && result == 0 && size < f->low) f->low = size;
    return result;
}
#define TRUNCATED(fd, call) \
    READY(); \
    struct file *f = known(fd); \
    if (!f) return call; \
    pthread_mutex_lock(&f->lock); \
    int result = cut(f, size, call); \
    pthread_mutex_unlock(&f->lock); \
    return result;
int ftruncate(int fd, off_t size) { TRUNCATED(fd, REAL(ftruncate)(fd, size)) }
int ftruncate64(int fd, off64_t size) { TRUNCATED(fd, REAL(ftruncate64)(fd, size)) }

static int by_path(const char *path, off_t size) { /* rare: through a descriptor, so that there is one way to truncate */
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = ftruncate(fd, size), saved = errno;
    close(fd);
    errno = saved;
    return result;
}
int truncate(const char *path, off_t size) { READY(); return active ? by_path(path, size) : REAL(truncate)(path, size); }
int truncate64(const char *path, off64_t size) { READY(); return active ? by_path(path, size) : REAL(truncate64)(path, size); }

#define ALLOCATED(call) /* growth is seen at the sync by the size; only holes and zeros change bytes */ \
    READY(); \
    int result = call; \
    struct file *f = known(fd); \
    if (f && result == 0 && (mode & ~FALLOC_FL_KEEP_SIZE)) { \
        pthread_mutex_lock(&f->lock); \
        mark(f, from, from + len); \
        pthread_mutex_unlock(&f->lock); \
    } \
    return result;
int fallocate(int fd, int mode, off_t from, off_t len) { ALLOCATED(REAL(fallocate)(fd, mode, from, len)) }
int fallocate64(int fd, int mode, off64_t from, off64_t len) { ALLOCATED(REAL(fallocate64)(fd, mode, from, len)) }

/* ---- syncing ---- */
int fsync(int fd) { READY(); return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { READY(); return synced(fd, REAL(fdatasync)); }

/* ---- names ---- */
/* Forgets the file that `name` meant until now. Call with the table locked. */
static void forget(const char *name) {
    for (struct file *f = files; f; f = f->next)
        if (!f->gone && strcmp(f->name, name) == 0) {
            pthread_mutex_lock(&f->lock);
            f->gone = 1;
            if (f->image >= 0) REAL(close)(f->image);
            f->image = -1;
            pthread_mutex_unlock(&f->lock);
        }
}

static void unlinked(const char *name) {
    char path[PATH_MAX];
    pthread_mutex_lock(&table);
    forget(name);
    image_path(name, path);
    REAL(unlink)(path);
    pthread_mutex_unlock(&table);
}

static void renamed(const char *from, const char *to) {
    char a[PATH_MAX], b[PATH_MAX];
    pthread_mutex_lock(&table);
    if (to) {
        forget(to);
        image_path(to, b);
        make_folders(b);
    }
    if (from) image_path(from, a);
    if (from && to && REAL(rename)(a, b) == 0) {
        for (struct file *f = files; f; f = f->next)
            if (!f->gone && strcmp(f->name, from) == 0) snprintf(f->name, sizeof f->name, "%s", to);
    } else {
        if (to && access(b, F_OK) == 0 && truncate(b, 0)) die(to);
        for (struct file *f = files; f && from; f = f->next)
            if (!f->gone && strcmp(f->name, from) == 0) {
                if (to) snprintf(f->name, sizeof f->name, "%s", to);
                else f->gone = 1;
            }
        if (from) REAL(unlink)(a);
    }
    pthread_mutex_unlock(&table);
}

/* A second name of a synced file has its image; of one that was never synced, an empty file. The two names share an image
 * until one of them is written and synced again, which is as much as publishing a finished file needs. */
static void linked(const char *from, const char *to) {
    char a[PATH_MAX], b[PATH_MAX];
    pthread_mutex_lock(&table);
    image_path(to, b);
    make_folders(b);
    if (from) image_path(from, a);
    if (!from || REAL(link)(a, b) != 0) {
        int empty = REAL(open)(b, O_CREAT | O_WRONLY, 0600);
        if (empty < 0) die(to);
        REAL(close)(empty);
    }
    pthread_mutex_unlock(&table);
}

#define LINKED(x, a, y, b, call) \
    READY(); \
    char fa[PATH_MAX], fb[PATH_MAX]; \
    const char *from = resolve(x, a, fa), *to = resolve(y, b, fb); \
    int result = call, saved = errno; \
    if (result == 0 && to) linked(from, to); \
    errno = saved; \
    return result;
int link(const char *a, const char *b) { LINKED(AT_FDCWD, a, AT_FDCWD, b, REAL(link)(a, b)) }
int linkat(int x, const char *a, int y, const char *b, int flags) { LINKED(x, a, y, b, REAL(linkat)(x, a, y, b, flags)) }

#define UNLINKED(at, path, call) \
    READY(); \
    char full[PATH_MAX]; \
    const char *name = resolve(at, path, full); \
    int result = call, saved = errno; \
    if (result == 0 && name) unlinked(name); \
    errno = saved; \
    return result;
int unlink(const char *path) { UNLINKED(AT_FDCWD, path, REAL(unlink)(path)) }
int unlinkat(int at, const char *path, int flags) { UNLINKED(at, path, REAL(unlinkat)(at, path, flags)) }
int remove(const char *path) { UNLINKED(AT_FDCWD, path, REAL(remove)(path)) }

#define RENAMED(a_at, a, b_at, b, call) \
    READY(); \
    char full_a[PATH_MAX], full_b[PATH_MAX]; \
    const char *from = resolve(a_at, a, full_a), *to = resolve(b_at, b, full_b); \
    int result = call, saved = errno; \
    if (result == 0 && (from || to)) renamed(from, to); \
    errno = saved; \
    return result;
int rename(const char *a, const char *b) { RENAMED(AT_FDCWD, a, AT_FDCWD, b, REAL(rename)(a, b)) }
int renameat(int x, const char *a, int y, const char *b) { RENAMED(x, a, y, b, REAL(renameat)(x, a, y, b)) }
int renameat2(int x, const char *a, int y, const char *b, unsigned flags) { RENAMED(x, a, y, b, REAL(renameat2)(x, a, y, b, flags)) }
