# SPDX-License-Identifier: MIT
# wgx. `make help` lists the targets; V=1 shows the commands.

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/wgx

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
PKGS := libxdp libbpf libsodium libb2 libnl-3.0 libnl-route-3.0 liburcu-qsbr liburcu-cds jansson libcap-ng libseccomp

CPPFLAGS_ALL := -D_GNU_SOURCE -DWGX_VERSION='"$(VERSION)"' -Iinclude -Ictl -I$(BUILD)/gen \
	-DWGX_IPSEC_MB=$(IPSEC_MB) $(CPPFLAGS)
CFLAGS ?= -O2 -g
CFLAGS_ALL := -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wmissing-prototypes \
	-Wstrict-prototypes -Wvla -fstack-protector-strong -fno-strict-aliasing -pthread -MMD -MP $(CFLAGS)
LDFLAGS_ALL := -pthread $(LDFLAGS)
LDLIBS_ALL := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) $(if $(filter 1,$(IPSEC_MB)),-lIPSec_MB)
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
ifneq ($(SAN),)
CFLAGS_ALL += -fsanitize=$(SAN) -fno-omit-frame-pointer -DWGX_SANITIZE
LDFLAGS_ALL += -fsanitize=$(SAN)
endif

BPF_SRC := $(wildcard bpf/*.bpf.c)
BPF_OBJ := $(BPF_SRC:bpf/%.c=$(BUILD)/bpf/%.o)
SKEL := $(BPF_SRC:bpf/%.bpf.c=$(BUILD)/gen/%.skel.h)
CTL_SRC := $(filter-out ctl/main.c,$(sort $(wildcard ctl/*.c ctl/*/*.c)))
CTL_OBJ := $(CTL_SRC:%.c=$(BUILD)/%.o)
LIB := $(BUILD)/libwgx.a
UNIT_SRC := $(sort $(wildcard selftests/unit/test_*.c))
UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)
BPFT_SRC := $(sort $(wildcard selftests/bpf/test_*.c))
BPFT_BIN := $(BPFT_SRC:%.c=$(BUILD)/%)
TOOL_SRC := $(sort $(wildcard selftests/tools/*.c))
TOOL_BIN := $(TOOL_SRC:%.c=$(BUILD)/%)
ALL_C := $(wildcard bpf/*.[ch] include/wgx/*.h ctl/*.[ch] ctl/*/*.[ch] selftests/*/*.[ch])

.PHONY: all help bpf tools tests install uninstall clean format format-check lint check-vmlinux \
	demo test bench unit FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/wgx

help:
	@echo 'make [CC=clang] [SAN=address,undefined|thread] [IPSEC_MB=0] [V=1]   build $(BUILD)/wgx'
	@echo 'make demo        two namespaces, a tunnel through AF_XDP, throughput; cleans up'
	@echo 'make test        every test this machine can run'
	@echo 'make bench       wgx against wireguard-go; writes nothing, prints medians and ratios'
	@echo 'make install     PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); make uninstall'
	@echo 'make unit        unit and BPF test programs only'
	@echo 'make format lint check-vmlinux clean'

# Flags that change the objects: a change of any of them rebuilds all.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL)' | cmp -s - $@ || \
		echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL)' > $@

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
		-D__TARGET_ARCH_$(ARCH) -I. -Iinclude -Ibpf -MMD -MP -MF $(@:.o=.d) -c $< -o $@

$(BUILD)/gen/%.skel.h: $(BUILD)/bpf/%.bpf.o
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

$(BUILD)/selftests/%: selftests/%.c $(LIB) $(BUILD)/flags | $(SKEL)
	@mkdir -p $(@D)
	$(call say,CCLD,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) -Iselftests -DBUILD_DIR='"$(BUILD)"' $(PKG_CFLAGS) $(CFLAGS_ALL) \
		-MF $@.d $(LDFLAGS_ALL) -o $@ $< $(LIB) $(LDLIBS_ALL) -lcmocka -lcrypto

unit: $(UNIT_BIN) $(BPFT_BIN)
tools: $(TOOL_BIN)
tests: unit tools

install: $(BUILD)/wgx
	install -D -m 0755 $(BUILD)/wgx $(DESTDIR)$(SBINDIR)/wgx
	install -D -m 0644 man/wgx.8 $(DESTDIR)$(MANDIR)/man8/wgx.8
	install -d $(DESTDIR)$(DOCDIR)
	install -m 0644 README.md NEWS.md LICENSE docs/*.md $(DESTDIR)$(DOCDIR)

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/wgx $(DESTDIR)$(MANDIR)/man8/wgx.8
	rm -rf $(DESTDIR)$(DOCDIR)

demo:
	@selftests/demo.sh

test:
	@selftests/run.sh

bench:
	@selftests/bench/tunnel.sh

format:
	$(Q)clang-format -i $(ALL_C)

format-check:
	$(Q)clang-format --dry-run -Werror $(ALL_C)

# Generated headers are not looked at.
lint: format-check $(SKEL)
	@mkdir -p $(BUILD)/lint && for h in $(SKEL); do \
		sed '1s,^,/* NOLINTBEGIN */,; $$s,$$,/* NOLINTEND */,' $$h >$(BUILD)/lint/$${h##*/}; done
	@printf '%s\n' $(filter ctl/%.c,$(ALL_C)) | xargs -P $$(nproc) -I{} clang-tidy --quiet {} -- \
		-std=gnu11 $(CPPFLAGS_ALL:-I$(BUILD)/gen=-I$(BUILD)/lint) $(PKG_CFLAGS) \
		2>$(BUILD)/lint.log || { cat $(BUILD)/lint.log; exit 1; }

check-vmlinux: $(BPF_OBJ)
	selftests/bpf/check_vmlinux.sh $(BPFTOOL)

clean:
	rm -rf build build-*

-include $(BPF_OBJ:.o=.d) $(CTL_OBJ:.o=.d) $(BUILD)/ctl/main.d $(UNIT_BIN:=.d) $(BPFT_BIN:=.d) $(TOOL_BIN:=.d)
