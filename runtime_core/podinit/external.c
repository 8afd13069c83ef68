// SPDX-License-Identifier: Apache-2.0
#include "external.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "channel.h"
#include "kernel.h"
#include "starter.h"
#include "step.h"
#include "streams.h"
#include "subpath.h"
#include "tree.h"

#define EXIT_FAILED 128
#define EXIT_NOT_EXECUTED 127
#define MAX_ARGUMENTS_OF_RUNTIME 64
#define LOG_LIMIT (1 << 20)

struct helper {
	const struct jail_start *start;
	const struct runtime_plan *runtime;
	const char *id; // of the container; its root, which is the pod's own, makes it unique
	char log[PATH_MAX], pid_file[PATH_MAX];
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

// What crun, runc and youki call the text in a line of their logs.
static const char *text_of(const struct json *line)
{
	const struct json *fields = json_get(line, "fields"), *text = json_get(line, "msg");
	if (!text)
		text = json_get(line, "message");
	if (!text && fields && fields->type == JSON_OBJECT)
		text = json_get(fields, "message");
	return text && text->type == JSON_STRING ? text->string : NULL;
}

// The last line of the runtime's log is the reason why it failed.
static int last_words(const struct helper *helper, const char *verb, int status, struct failure *failure)
{
	size_t length;
	struct failure ignored;
	struct json_document line = { 0 };
	const char *program = base_name(helper->runtime->path);
	cleanup_free char *log = read_file(AT_FDCWD, helper->log, LOG_LIMIT, &length, &ignored);
	while (log && length > 0 && log[length - 1] == '\n')
		log[--length] = '\0';
	const char *last = log ? strrchr(log, '\n') : NULL;
	last = last ? last + 1 : log;
	if (!last || !last[0]) {
		if (WIFSIGNALED(status))
			return fail(failure, "%s %s was killed by signal %d", program, verb, WTERMSIG(status));
		return fail(failure, "%s %s ended with exit code %d and gave no reason", program, verb, WEXITSTATUS(status));
	}
	char *copy = strdup(last);
	const char *text = NULL;
	if (copy && json_parse(&line, copy, strlen(copy), &ignored) == 0 && line.root->type == JSON_OBJECT)
		text = text_of(line.root);
	fail(failure, "%.60s %s: %.400s", program, verb, text ? text : last);
	json_free(&line);
	return -1;
}

// Dies with the helper: whoever kills that wants nothing to go on.
_Noreturn static void execute(const struct helper *helper, const char **arguments)
{
	static char *const environment[] = { (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
					     NULL };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execve(helper->runtime->path, (char *const *)arguments, environment);
	int reason = errno;
	cleanup_fd int log = open(helper->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log >= 0)
		dprintf(log, "execute %s: %s\n", helper->runtime->path, strerror(reason));
	_exit(EXIT_NOT_EXECUTED);
}

static int run(const struct helper *helper, const char *verb, const char *const options[], struct failure *failure)
{
	const char *arguments[MAX_ARGUMENTS_OF_RUNTIME + 16] = { helper->runtime->path };
	size_t count = 1;
	int status;
	if (helper->runtime->options->count > MAX_ARGUMENTS_OF_RUNTIME)
		return fail(failure, "a runtime takes at most %d options", MAX_ARGUMENTS_OF_RUNTIME);
	for (const struct json *item = helper->runtime->options->child; item; item = item->next)
		arguments[count++] = item->string;
	const char *const common[] = { "--root", helper->runtime->root, "--log", helper->log, "--log-format", "json" };
	for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
		arguments[count++] = common[i];
	arguments[count++] = verb;
	while (*options)
		arguments[count++] = *options++;
	arguments[count] = helper->id;
	unlink(helper->log);
	pid_t pid = kernel_clone(0, NULL);
	if (pid == 0)
		execute(helper, arguments);
	if (pid < 0)
		return fail_at(failure, "clone", helper->runtime->path);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_at(failure, "wait for", helper->runtime->path);
	int result = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : last_words(helper, verb, status, failure);
	unlink(helper->log);
	return result;
}

static int hide(const char *path, struct failure *failure)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return fail_at(failure, "hide", path);
	int result = S_ISDIR(status.st_mode) ? umount2(path, MNT_DETACH) : mount("/dev/null", path, NULL, MS_BIND, NULL);
	return result < 0 ? fail_at(failure, "hide", path) : 0;
}

// A runtime removes the cgroups of a container that it fails to create, and with them the limits that are set in them.
// It cannot remove a mount.
static int protect_cgroups(const struct helper *helper, struct failure *failure)
{
	for (const struct json *item = helper->start->process->cgroups->child; item; item = item->next)
		if (mount(item->string, item->string, NULL, MS_BIND, NULL) < 0)
			return fail_at(failure, "mount on itself", item->string);
	for (const struct json *item = helper->runtime->hidden->child; item; item = item->next)
		if (hide(item->string, failure) < 0)
			return -1;
	return 0;
}

// The mounts of this process go with it; the container has its own copy of them, as with podinit.
static int enter_namespaces(const struct helper *helper, struct failure *failure)
{
	const struct jail_start *start = helper->start;
	if (setns(start->sandbox, CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return fail_at(failure, "join", "the pod's namespaces");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return fail_at(failure, "unshare", "mount namespace");
	if (helper->runtime->inherits_cgroups && starter_enter_cgroups(start->process->cgroups, getpid(), failure) < 0)
		return -1;
	if (start->oom_score_adj && write_file(AT_FDCWD, "/proc/self/oom_score_adj", start->oom_score_adj, failure) < 0)
		return -1;
	return protect_cgroups(helper, failure);
}

static int mount_subpaths(const struct jail_start *start, struct failure *failure)
{
	cleanup_fd int base = open(start->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return base < 0 ? fail_at(failure, "open", start->folder) :
			  subpaths_mount(base, start->container->sub_paths, failure);
}

// A rootfs that is a folder of the host's is named in config.json, and needs nothing.
static int mount_rootfs(const struct jail_start *start, struct failure *failure)
{
	const struct json *first = start->process->steps->child;
	struct jail jail = { .base = -1, .root = -1, .attempt = start->attempt, .lower = start->container->lower };
	struct step step = { .source = -1, .steps = start->process->steps };
	if (!first || strcmp(first->child->string, "overlay") != 0)
		return 0;
	jail.base = open(start->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int result = jail.base < 0 ? fail_at(failure, "open", start->folder) : run_overlay(&jail, &step, failure);
	cleanup_close(&jail.base);
	cleanup_close(&jail.root);
	return result;
}

// What an earlier start has left there. The runtime's own "delete" would remove the cgroups too.
static int forget_earlier(const struct helper *helper, struct failure *failure)
{
	if (mkdir(helper->runtime->root, 0700) < 0 && errno != EEXIST)
		return fail_at(failure, "mkdir", helper->runtime->root);
	cleanup_fd int root = open(helper->runtime->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0 || (tree_remove(root, helper->id) < 0 && errno != ENOENT))
		return fail_at(failure, "empty", helper->runtime->root);
	unlink(helper->pid_file);
	return 0;
}

// Some runtimes give the standard streams to the container's user: runc 1.1 did so with the host's null device.
static int use_ended_pipe(struct failure *failure)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail_at(failure, "make", "an empty standard input");
	cleanup_fd int in = ends[0];
	close(ends[1]);
	return dup2(in, STDIN_FILENO) < 0 ? fail_at(failure, "open", "an empty standard input") : 0;
}

static int set_streams(const struct jail_start *start, struct failure *failure)
{
	uid_t uid = 0;
	gid_t gid = 0;
	for (const struct json *step = start->process->steps->child; step; step = step->next) {
		if (strcmp(step->child->string, "user") == 0) {
			uid = (uid_t)step->child->next->magnitude;
			gid = (gid_t)step->child->next->next->magnitude;
		}
	}
	cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (streams_use_fifos(root, start->out, start->err, uid, gid, failure) < 0)
		return -1;
	return use_ended_pipe(failure);
}

// What the runtime says from now on is no output of the container.
static int drop_streams(struct failure *failure)
{
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			return fail_at(failure, "open", "/dev/null");
	return 0;
}

// The devices that cgroup v1 permits the container are podwright's business, and a runtime adds some of its own.
static char *permitted_devices(const struct helper *helper, int *directory)
{
	size_t length;
	struct failure ignored;
	for (const struct json *item = helper->start->process->cgroups->child; item; item = item->next) {
		cleanup_fd int dir = open(item->string, O_PATH | O_DIRECTORY | O_CLOEXEC);
		char *list = dir < 0 ? NULL : read_file(dir, "devices.list", LOG_LIMIT, &length, &ignored);
		if (list) {
			*directory = steal_fd(&dir);
			return list;
		}
	}
	return NULL;
}

static int permit_only(int directory, char *list, struct failure *failure)
{
	size_t length;
	cleanup_free char *now = read_file(directory, "devices.list", LOG_LIMIT, &length, failure);
	if (!now)
		return -1;
	if (strcmp(now, list) == 0)
		return 0;
	if (write_file(directory, "devices.deny", "a", failure) < 0)
		return -1;
	for (char *line = strtok(list, "\n"); line; line = strtok(NULL, "\n"))
		if (write_file(directory, "devices.allow", line, failure) < 0)
			return -1;
	return 0;
}

static int run_create(const struct helper *helper, struct failure *failure)
{
	const char *const options[] = { "--bundle", helper->start->folder, "--pid-file", helper->pid_file, NULL };
	cleanup_fd int directory = -1;
	cleanup_free char *devices = permitted_devices(helper, &directory);
	int result = run(helper, "create", options, failure);
	if (!devices)
		return result;
	return permit_only(directory, devices, result < 0 ? &(struct failure){ 0 } : failure) < 0 ? -1 : result;
}

// The PID in the runtime's file, once that process is in all cgroups: no runtime joins every hierarchy of cgroup v1.
static pid_t first_process(const struct helper *helper, struct failure *failure)
{
	size_t length;
	cleanup_free char *text = read_file(AT_FDCWD, helper->pid_file, 32, &length, failure);
	long pid = text ? strtol(text, NULL, 10) : 0;
	unlink(helper->pid_file);
	if (pid <= 0 || pid > INT_MAX)
		return fail(failure, "%.60s wrote no PID of the container", base_name(helper->runtime->path));
	return starter_enter_cgroups(helper->start->process->cgroups, (pid_t)pid, failure) < 0 ? -1 : (pid_t)pid;
}

static int create(const struct helper *helper, char pid_text[static 16], struct failure *failure)
{
	static const char *const force[] = { "--force", NULL };
	struct failure ignored;
	if (enter_namespaces(helper, failure) < 0 || mount_subpaths(helper->start, failure) < 0 ||
	    mount_rootfs(helper->start, failure) < 0 || forget_earlier(helper, failure) < 0 || set_streams(helper->start, failure) < 0 ||
	    run_create(helper, failure) < 0)
		return -1;
	pid_t pid = first_process(helper, failure);
	if (drop_streams(failure) < 0 || pid < 0) {
		run(helper, "delete", force, &ignored);
		return -1;
	}
	snprintf(pid_text, 16, "%d", pid);
	return 0;
}

static int drive(const struct helper *helper, struct failure *failure)
{
	static const char *const none[] = { NULL };
	char pid[16];
	if (channel_receive(helper->start->channel, failure) != MESSAGE_GO)
		_exit(EXIT_FAILED);
	if (create(helper, pid, failure) < 0)
		return -1;
	if (channel_ask(helper->start->channel, MESSAGE_CREATED, pid, failure) < 0)
		_exit(EXIT_FAILED); // nobody listens any more: the supervisor has died, or given the container up
	return run(helper, "start", none, failure);
}

_Noreturn void external_main(const struct jail_start *start, const struct runtime_plan *runtime)
{
	struct failure failure;
	struct helper helper = { .start = start, .runtime = runtime, .id = start->container->name };
	const int kept[] = { start->channel, start->out, start->err, start->sandbox };
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	streams_close_others(kept, sizeof kept / sizeof kept[0], 0);
	jail_reset_signals();
	setsid();
	snprintf(helper.log, sizeof helper.log, "%s.%s.log", runtime->root, helper.id);
	snprintf(helper.pid_file, sizeof helper.pid_file, "%s.%s.pid", runtime->root, helper.id);
	if (drive(&helper, &failure) == 0)
		_exit(0);
	channel_send(start->channel, MESSAGE_FAILED, failure.reason);
	_exit(EXIT_FAILED);
}

int external_adopt(struct container *container, struct failure *pid)
{
	siginfo_t info = { 0 };
	pid_t found = (pid_t)strtol(pid->reason, NULL, 10);
	if (container->external.created || waitid(P_PID, (id_t)found, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return fail(pid, "the container's first process ended before the container was started");
	container->external.created = true;
	container->external.helper = container->pid;
	container->pid = found;
	if (container->kill_at > 0) // it was to be stopped meanwhile
		return fail(pid, "the container was stopped before it was started");
	if (channel_send(container->report.fd, MESSAGE_GO, "") < 0)
		return fail(pid, "the process that drives the runtime ended");
	return 0;
}

bool external_reaped(struct container *container, pid_t pid, int *code, int *status)
{
	struct external *external = &container->external;
	if (external->ended) { // that was the helper
		*code = external->code;
		*status = external->status;
		return false;
	}
	if (pid == external->helper) {
		external->helper = 0;
		return true;
	}
	if (external->helper == 0)
		return false;
	external->ended = true;
	external->code = *code;
	external->status = *status;
	container->pid = external->helper;
	external->helper = 0;
	return true;
}

bool external_creates(const struct supervisor *supervisor, const struct container *container)
{
	return supervisor->plan.runtime.path && container->phase == PHASE_STARTING && !container->external.created;
}
