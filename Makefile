# SPDX-License-Identifier: MIT
# wgx. `make help` lists the targets; V=1 shows the commands.

VERSION := 0.1.0
DIST := wgx-$(VERSION)
PREFIX ?= /usr/local
DESTDIR ?=
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/wgx
SHAREDIR ?= $(PREFIX)/share/wgx
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
# where managers of networks look for what others ship; NetworkManager knows no /usr/local
SYSTEMDDIR ?= $(PREFIX)/lib/systemd
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
UDEVDIR ?= $(PREFIX)/lib/udev
NMDIR ?= $(if $(filter /usr,$(PREFIX)),/usr/lib,/etc)/NetworkManager

CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(or $(shell command -v bpftool),/usr/sbin/bpftool)
PKG_CONFIG ?= pkg-config

# SAN=address,undefined or SAN=thread builds beside the plain build, not over it
SAN ?=
comma := ,
BUILD ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
# The BPF programs and their skeletons, which are the same in all builds
BPF_BUILD ?= $(BUILD)

V ?= 0
ifeq ($(V),0)
Q := @
say = @printf '  %-8s%s\n' '$(1)' '$(2)'
else
Q :=
say =
endif

# intel-ipsec-mb is there on x86-64 only; IPSEC_MB=0 builds without it
ifeq ($(origin IPSEC_MB),undefined)
hash := \#
IPSEC_MB := $(shell printf '$(hash)include <intel-ipsec-mb.h>\nint main(void) { return imb_get_version() == 0; }\n' | \
	$(CC) -x c - -o /dev/null -lIPSec_MB 2>/dev/null && echo 1 || echo 0)
endif

ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/;s/ppc64le/powerpc/;s/s390x/s390/;s/riscv64/riscv/')
PKGS := libxdp libbpf libsodium libb2 libnl-3.0 libnl-route-3.0 liburcu-qsbr liburcu-cds jansson libcap-ng libseccomp libmicrohttpd ncursesw libcurl yaml-0.1

CPPFLAGS_ALL := -D_GNU_SOURCE -DWGX_VERSION='"$(VERSION)"' -Iinclude -Ictl -I$(BPF_BUILD)/gen \
	-DWGX_IPSEC_MB=$(IPSEC_MB) $(CPPFLAGS)
CFLAGS ?= -O2 -g
CFLAGS_ALL := -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wmissing-prototypes \
	-Wstrict-prototypes -Wvla -fstack-protector-strong -fno-strict-aliasing -ffile-prefix-map=$(CURDIR)=. -pthread -MMD -MP $(CFLAGS)
LDFLAGS_ALL := -pthread $(LDFLAGS)
LDLIBS_ALL := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) $(if $(filter 1,$(IPSEC_MB)),-lIPSec_MB)
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
ifneq ($(SAN),)
CFLAGS_ALL += -fsanitize=$(SAN) -fno-omit-frame-pointer -DWGX_SANITIZE
LDFLAGS_ALL += -fsanitize=$(SAN)
endif

# NetBSD's commands, which are wgx under other names
NAMES := wg-keygen wgconfig wg-userspace
UNITS := wgx@.service wgx-boot@.service wgx-metrics.service wgx-agent.service

BPF_SRC := $(wildcard bpf/*.bpf.c)
BPF_OBJ := $(BPF_SRC:bpf/%.c=$(BPF_BUILD)/bpf/%.o)
SKEL := $(BPF_SRC:bpf/%.bpf.c=$(BPF_BUILD)/gen/%.skel.h)
TEST_BPF_SRC := $(wildcard selftests/bpf/*.bpf.c)
TEST_BPF_OBJ := $(TEST_BPF_SRC:selftests/bpf/%.c=$(BPF_BUILD)/bpf/%.o)
TEST_SKEL := $(TEST_BPF_SRC:selftests/bpf/%.bpf.c=$(BPF_BUILD)/gen/%.skel.h)
CTL_SRC := $(filter-out ctl/main.c,$(sort $(wildcard ctl/*.c ctl/*/*.c)))
CTL_OBJ := $(CTL_SRC:%.c=$(BUILD)/%.o)
LIB := $(BUILD)/libwgx.a
UNIT_SRC := $(sort $(wildcard selftests/unit/test_*.c))
UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)
BPFT_SRC := $(sort $(wildcard selftests/bpf/test_*.c))
BPFT_BIN := $(BPFT_SRC:%.c=$(BUILD)/%)
PRELOAD_SRC := selftests/tools/clockshift.c selftests/tools/faults.c selftests/tools/nomem.c \
	selftests/tools/zerocopy.c
PRELOAD_LIB := $(PRELOAD_SRC:%.c=$(BUILD)/%.so)
FUZZ_SRC := $(sort $(wildcard selftests/fuzz/fuzz_*.c))
FUZZ_BIN := $(FUZZ_SRC:%.c=$(BUILD)/%)
TOOL_BPF_SRC := $(wildcard selftests/tools/*.bpf.c)
TOOL_BPF_OBJ := $(TOOL_BPF_SRC:selftests/tools/%.c=$(BPF_BUILD)/bpf/%.o)
TOOL_SRC := $(filter-out $(PRELOAD_SRC) $(TOOL_BPF_SRC),$(sort $(wildcard selftests/tools/*.c)))
TOOL_BIN := $(TOOL_SRC:%.c=$(BUILD)/%)
ALL_C := $(wildcard bpf/*.[ch] include/wgx/*.h ctl/*.[ch] ctl/*/*.[ch] selftests/*/*.[ch])

.PHONY: all help bpf tools tests install uninstall clean format format-check lint check-vmlinux \
	dist deb sbom reproducible test-deb demo test test-restart test-k8s mutate fuzz fuzz-targets day model soak crash test-faults bench bench-bpf bench-flood bench-scale bench-handshakes bench-lan bench-transmit bench-workers bench-stages \
	unit FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/wgx $(NAMES:%=$(BUILD)/%)

help:
	@echo 'make [CC=clang] [SAN=address,undefined|thread] [IPSEC_MB=0] [V=1]   build $(BUILD)/wgx'
	@echo 'make demo        two namespaces, a tunnel through AF_XDP, throughput; cleans up'
	@echo 'make test        every test this machine can run'
	@echo 'make test-k8s    OUTAGE=300: wgx agent on a real control plane, which is built first, once'
	@echo 'make test-restart  RESTARTS=n: the daemon gives its place to another so often, under load; nothing is lost'
	@echo 'make mutate      breaks the code, protocol line by line, and expects the tests to notice'
	@echo 'make fuzz        SECONDS=n [TARGETS=...] [UNTIL=30] [MERGE=1]: each fuzz target that long, and the lines it covers, unless'
	@echo '                 nothing new has come in UNTIL CPU minutes; MERGE keeps the corpora; needs clang'
	@echo 'make soak        MINUTES=n [SAN=...]: a tunnel under load and change, round after round; 30 minutes'
	@echo 'make crash       KILLS=n: the daemon is killed 100 times; nothing in the clear, no nonce twice'
	@echo 'make test-faults [SAN=address,undefined]: each system call of each place in the code fails, two in one step, and each allocation; hours'
	@echo 'make day         RUNS=n: two peers through n stretches of bad weather and n / 200 days; 5000'
	@echo 'make model       checks the models of the keypairs and of the hand-over with spin'
	@echo 'make bench       wgx against wireguard-go; writes nothing, prints medians and ratios'
	@echo 'make bench-bpf   what wgx_ingress costs for each kind of packet'
	@echo 'make bench-flood what is left of a tunnel during floods of forged messages, as above'
	@echo 'make bench-scale what 100,000 peers with 1,000,000 allowed IPs cost'
	@echo 'make bench-handshakes  handshakes answered a second on one core, against wireguard-go'
	@echo 'make bench-stages  what each stage of the packet path costs by itself'
	@echo 'make bench-lan   a gateway: the router path (wgx attach --lan) against stack and wg0'
	@echo 'make bench-transmit  sealed packets by AF_XDP (wgx attach --transmit) against the UDP socket'
	@echo 'make bench-workers  what one end sends to one peer and opens of one, with one worker and with two'
	@echo 'make install     PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); make uninstall'
	@echo 'make dist        $(BUILD)/$(DIST).tar.gz, of what is committed; the same bytes each time'
	@echo 'make deb         Debian packages of it, in $(BUILD)/deb; make test-deb tries them, also on a Debian 12 that systemd boots'
	@echo 'make sbom        $(BUILD)/wgx.cdx.json: what wgx is linked with and built by; it is in the package as well.'
	@echo '                 And which packages are not of the versions that were tested (selftests/packages.lock)'
	@echo 'make reproducible  what is committed, built in two directories at two times: the same bytes'
	@echo 'make unit        unit and BPF test programs only'
	@echo 'make format lint check-vmlinux clean'

# Flags that change the objects: a change of any of them rebuilds all.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL)' | cmp -s - $@ || \
		echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL)' > $@

define compile_bpf
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) -target bpf -mcpu=v3 -O2 -g -ffile-prefix-map=$(CURDIR)=. -Wall -Wextra -Werror -Wno-unused-parameter \
		-D__TARGET_ARCH_$(ARCH) -I. -Iinclude -Ibpf -MMD -MP -MF $(@:.o=.d) -c $< -o $@
endef

$(BPF_BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	$(compile_bpf)

$(BPF_BUILD)/bpf/%.bpf.o: selftests/bpf/%.bpf.c
	$(compile_bpf)

$(BPF_BUILD)/bpf/%.bpf.o: selftests/tools/%.bpf.c
	$(compile_bpf)

$(BPF_BUILD)/gen/%.skel.h: $(BPF_BUILD)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(call say,SKEL,$*)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@

bpf: $(BPF_OBJ)

$(BUILD)/ctl/%.o: ctl/%.c $(BUILD)/flags | $(SKEL)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(PKG_CFLAGS) $(CFLAGS_ALL) -c $< -o $@

$(LIB): $(CTL_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/wgx: $(BUILD)/ctl/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(NAMES:%=$(BUILD)/%): | $(BUILD)/wgx
	$(Q)ln -sf wgx $@

$(BUILD)/selftests/%: selftests/%.c $(LIB) $(BUILD)/flags | $(SKEL) $(TEST_SKEL)
	@mkdir -p $(@D)
	$(call say,CCLD,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) -Iselftests -DBUILD_DIR='"$(BUILD)"' $(PKG_CFLAGS) $(CFLAGS_ALL) \
		-MF $@.d $(LDFLAGS_ALL) -o $@ $< $(LIB) $(LDLIBS_ALL) -lcmocka -lcrypto

# Built by selftests/fuzz/fuzz.sh, with clang and its flags. A target may include the source it tests, so the library comes
# after it and only gives what is missing.
$(BUILD)/selftests/fuzz/%: selftests/fuzz/%.c selftests/fuzz/fuzz.h $(LIB) $(BUILD)/flags | $(SKEL)
	@mkdir -p $(@D)
	$(call say,CCLD,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) -Iselftests $(PKG_CFLAGS) $(CFLAGS_ALL) -fsanitize=fuzzer \
		-MF $@.d $(LDFLAGS_ALL) -o $@ $< $(LIB) $(LDLIBS_ALL) -lcmocka

fuzz-targets: $(FUZZ_BIN)

$(BUILD)/selftests/tools/flood: $(BPF_BUILD)/gen/flood_live.skel.h

$(PRELOAD_LIB): $(BUILD)/%.so: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CCLD,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fPIC -shared $(LDFLAGS_ALL) -o $@ $<

unit: $(UNIT_BIN) $(BPFT_BIN)
tools: $(TOOL_BIN) $(PRELOAD_LIB) $(TOOL_BPF_OBJ)
tests: unit tools

install: $(BUILD)/wgx
	install -D -m 0755 $(BUILD)/wgx $(DESTDIR)$(SBINDIR)/wgx
	for n in $(NAMES); do ln -sf wgx $(DESTDIR)$(SBINDIR)/$$n; done
	install -D -m 0644 -t $(DESTDIR)$(MANDIR)/man8 man/wgx.8 man/wgx-agent.8 $(NAMES:%=man/%.8)
	install -D -m 0644 -t $(DESTDIR)$(MANDIR)/man5 man/wgx.conf.5
	install -d $(DESTDIR)$(DOCDIR)
	install -m 0644 README.md NEWS.md SECURITY.md LICENSE docs/*.md $(DESTDIR)$(DOCDIR)
	install -D -m 0644 -t $(DESTDIR)$(DOCDIR)/img docs/img/*.svg
	install -d $(DESTDIR)$(SYSTEMDDIR)/network
	install -m 0644 deploy/05-wgx.network deploy/05-wgx.link $(DESTDIR)$(SYSTEMDDIR)/network
	install -D -m 0644 deploy/wg-quick@.service.d/wgx.conf \
		$(DESTDIR)$(SYSTEMDDIR)/system/wg-quick@.service.d/wgx.conf
	install -m 0644 $(UNITS:%=deploy/%) $(DESTDIR)$(SYSTEMDDIR)/system
	install -D -m 0644 deploy/wgx.sysusers $(DESTDIR)$(SYSUSERSDIR)/wgx.conf
	install -D -m 0644 deploy/wgx.tmpfiles $(DESTDIR)$(TMPFILESDIR)/wgx.conf
	install -D -m 0644 -t $(DESTDIR)$(SHAREDIR) deploy/grafana-dashboard.json
	install -D -m 0644 deploy/completions/wgx.bash $(DESTDIR)$(BASHDIR)/wgx
	for n in $(NAMES); do ln -sf wgx $(DESTDIR)$(BASHDIR)/$$n; done
	install -D -m 0644 -t $(DESTDIR)$(ZSHDIR) deploy/completions/_wgx
	install -D -m 0644 -t $(DESTDIR)$(FISHDIR) deploy/completions/wgx.fish
	for n in $(NAMES); do ln -sf wgx.fish $(DESTDIR)$(FISHDIR)/$$n.fish; done
	install -D -m 0644 deploy/86-wgx.rules $(DESTDIR)$(UDEVDIR)/rules.d/86-wgx.rules
	install -D -m 0644 deploy/NetworkManager.conf $(DESTDIR)$(NMDIR)/conf.d/10-wgx.conf

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/wgx $(NAMES:%=$(DESTDIR)$(SBINDIR)/%)
	rm -f $(DESTDIR)$(MANDIR)/man8/wgx.8 $(DESTDIR)$(MANDIR)/man8/wgx-agent.8 $(NAMES:%=$(DESTDIR)$(MANDIR)/man8/%.8) \
		$(DESTDIR)$(MANDIR)/man5/wgx.conf.5
	rm -rf $(DESTDIR)$(DOCDIR)
	rm -f $(DESTDIR)$(SYSTEMDDIR)/network/05-wgx.network $(DESTDIR)$(SYSTEMDDIR)/network/05-wgx.link
	rm -f $(DESTDIR)$(SYSTEMDDIR)/system/wg-quick@.service.d/wgx.conf
	rm -f $(UNITS:%=$(DESTDIR)$(SYSTEMDDIR)/system/%)
	rm -f $(DESTDIR)$(SYSUSERSDIR)/wgx.conf $(DESTDIR)$(TMPFILESDIR)/wgx.conf
	rm -rf $(DESTDIR)$(SHAREDIR)
	rm -f $(DESTDIR)$(BASHDIR)/wgx $(NAMES:%=$(DESTDIR)$(BASHDIR)/%) $(DESTDIR)$(ZSHDIR)/_wgx \
		$(DESTDIR)$(FISHDIR)/wgx.fish $(NAMES:%=$(DESTDIR)$(FISHDIR)/%.fish)
	rm -f $(DESTDIR)$(UDEVDIR)/rules.d/86-wgx.rules $(DESTDIR)$(NMDIR)/conf.d/10-wgx.conf

dist:
	@mkdir -p $(BUILD)
	git -c tar.umask=0022 archive --format=tar --prefix=$(DIST)/ HEAD >$(BUILD)/$(DIST).tar
	gzip -9nf $(BUILD)/$(DIST).tar

deb: dist
	rm -rf $(BUILD)/deb
	mkdir -p $(BUILD)/deb
	tar -xzf $(BUILD)/$(DIST).tar.gz -C $(BUILD)/deb
	cd $(BUILD)/deb/$(DIST) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL dpkg-buildpackage -us -uc

sbom: $(BUILD)/wgx
	deploy/sbom.sh $(VERSION) $< selftests/packages.txt >$(BUILD)/wgx.cdx.json
	@selftests/versions.sh

reproducible:
	@selftests/reproducible.sh

test-deb: all
	@selftests/deb.sh
	@selftests/deb_boot.sh

demo:
	@selftests/demo.sh

test:
	@selftests/run.sh

test-k8s:
	@selftests/k8s/control_plane build
	@K8S=1 SCRIPTS_AT_ONCE=1 selftests/run.sh k8s/

RESTARTS ?= 100
test-restart:
	@RESTARTS=$(RESTARTS) selftests/netns/restart.sh

mutate:
	@selftests/mutate.sh

SECONDS ?= 60
TARGETS ?=
fuzz:
	@SECONDS_EACH=$(SECONDS) UNTIL=$(UNTIL) MERGE=$(MERGE) selftests/fuzz/fuzz.sh $(TARGETS)

day: $(BUILD)/selftests/unit/test_day
	WGX_DAY_RUNS=$(or $(RUNS),5000) $<

model:
	@selftests/model/model.sh

# SAN=address,undefined as well: the preloaded object is the plain build's
soak: all tools
	@$(if $(SAN),$(MAKE) --no-print-directory SAN= tools)
	@BUILD=$(BUILD) MINUTES=$(or $(MINUTES),30) selftests/soak.sh

crash: all tools
	@KILLS=$(or $(KILLS),100) selftests/netns/crash.sh

test-faults: all tools
	@$(if $(SAN),$(MAKE) --no-print-directory SAN= tools)
	@BUILD=$(BUILD) SECONDS_MAX=$(SECONDS_MAX) AT_ONCE=$(or $(AT_ONCE),3) TABLE=$(BUILD)/faults.txt selftests/netns/syscall_faults.sh
	@$(if $(SAN),,BUILD=$(BUILD) SECONDS_MAX=$(SECONDS_MAX) selftests/netns/alloc_faults.sh)

bench:
	@selftests/bench/tunnel.sh

bench-bpf: $(BUILD)/selftests/bench/bpf_cost
	@$<

bench-flood:
	@selftests/bench/flood.sh

bench-scale:
	@selftests/bench/scale.sh

bench-workers:
	@selftests/bench/workers.sh

bench-handshakes:
	@selftests/bench/handshakes.sh

bench-stages: $(BUILD)/selftests/bench/stages
	@$<

bench-lan:
	@selftests/bench/lan.sh

bench-transmit:
	@selftests/bench/transmit.sh

format:
	$(Q)clang-format -i $(ALL_C)

format-check:
	$(Q)clang-format --dry-run -Werror $(ALL_C)

# Generated headers are not looked at.
lint: format-check $(SKEL)
	@mkdir -p $(BUILD)/lint && for h in $(SKEL); do \
		sed '1s,^,/* NOLINTBEGIN */,; $$s,$$,/* NOLINTEND */,' $$h >$(BUILD)/lint/$${h##*/}; done
	@printf '%s\n' $(filter ctl/%.c,$(ALL_C)) | xargs -P $$(nproc) -I{} clang-tidy --quiet {} -- \
		-std=gnu11 $(CPPFLAGS_ALL:-I$(BPF_BUILD)/gen=-I$(BUILD)/lint) $(PKG_CFLAGS) \
		2>$(BUILD)/lint.log || { cat $(BUILD)/lint.log; exit 1; }

check-vmlinux: $(BPF_OBJ)
	selftests/bpf/check_vmlinux.sh $(BPFTOOL)

clean:
	rm -rf build build-*

-include $(BPF_OBJ:.o=.d) $(TEST_BPF_OBJ:.o=.d) $(TOOL_BPF_OBJ:.o=.d) $(CTL_OBJ:.o=.d) $(BUILD)/ctl/main.d $(UNIT_BIN:=.d) $(BPFT_BIN:=.d) $(FUZZ_BIN:=.d) $(BUILD)/selftests/bench/bpf_cost.d $(BUILD)/selftests/bench/stages.d $(TOOL_BIN:=.d) $(PRELOAD_LIB:.so=.d)
