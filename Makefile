# Culvert's build. "make help" lists what it can do. Needs GNU make 4.3.

VERSION := 0.1.0

# What a caller may set ---------------------------------------------------------------------------------------

O      ?= build
PREFIX ?= /usr/local
SBIN   ?= $(PREFIX)/sbin
MAN    ?= $(PREFIX)/share/man
DATA   ?= $(PREFIX)/share/culvert
ETC    ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)/culvert
PYTHON ?= /usr/bin/python3
LINK   ?= static
CFLAGS ?=
HOSTCC ?= gcc

ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
PKG_CONFIG   ?= $(CROSS_COMPILE)pkg-config
STRIP        ?= $(CROSS_COMPILE)strip
CLANG_FORMAT ?= clang-format
CLANG_TIDY   ?= clang-tidy

Q := $(if $(V),,@)
say = $(if $(V),:,printf '  %-8s %s\n')

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# Goals that change what others read run before them, one at a time, as they were typed.
ordered := clean distclean menuconfig oldconfig olddefconfig savedefconfig %_defconfig format
ifneq ($(and $(filter $(ordered),$(MAKECMDGOALS)),$(filter-out 1,$(words $(MAKECMDGOALS)))),)

.PHONY: $(MAKECMDGOALS) one-by-one
$(MAKECMDGOALS): one-by-one
	@:
one-by-one:
	+$(Q)for goal in $(MAKECMDGOALS); do $(MAKE) $$goal || exit 1; done

else

# Configuration -----------------------------------------------------------------------------------------------
# The values are those of $(O)/.config, or of host_defconfig when there is none. sync writes them for make
# (auto.conf) and for C (autoconf.h), and touches a file for each symbol whose value is another one, so that only what
# names it is compiled again.

KCONFIG      := $(PYTHON) .build/kconfig.py
CONFIG_FILE  ?= $(if $(wildcard $(O)/.config),$(O)/.config,config/host_defconfig)
CONFIG_SET   ?=
AUTOCONF     := $(O)/include/autoconf.h
SYMBOLS      := $(O)/include/symbols
kconfig_tool := KCONFIG_CONFIG=$(O)/.config $(PYTHON) -m

# Goals that compile nothing and so need no configuration.
plain_goals := help clean distclean uninstall deps% %_defconfig menuconfig oldconfig olddefconfig savedefconfig \
    format check-format layering docs check-readme check-man unit sim sim-tiny seeds fuzz compilers options clang-tests clang-system check-builds footprint footprint-all option-costs bloatcheck stack budget \
    check run bench check-cross cross-% randconfig-check
compiling := $(filter-out $(plain_goals),$(or $(MAKECMDGOALS),all))

# $(call remember,FILE,TEXT): FILE holds TEXT, and is touched only when TEXT changes.
remember = $(if $(call differ,$(file <$(1)),$(2)),$(shell mkdir -p $(dir $(1)))$(file >$(1),$(2)))
differ   = $(subst x$(1)x,,x$(2)x)$(subst x$(2)x,,x$(1)x)

ifneq ($(compiling),)
$(call remember,$(O)/.config-source,$(CONFIG_FILE) $(CONFIG_SET))

$(O)/include/auto.conf: $(CONFIG_FILE) $(O)/.config-source Kconfig .build/kconfig.py
	$(Q)$(KCONFIG) sync $(CONFIG_FILE) $(O)/include $(CONFIG_SET)
$(AUTOCONF): $(O)/include/auto.conf ;

include $(O)/include/auto.conf
endif

# Sources -----------------------------------------------------------------------------------------------------
# Every .c file of a floor is compiled. An option is a file: a line "src-$(CONFIG_X) += src/floor/file.c" here takes
# the file out when X is off.

port-$(CONFIG_PORT_POSIX) += $(wildcard port/posix/*.c)

src-$(CONFIG_BUILTIN)     += src/base/builtin.c
src-$(CONFIG_EPOLL)       += port/posix/watch_epoll.c
src-$(if $(CONFIG_EPOLL),,y) += port/posix/watch.c
src-$(CONFIG_UNIX_SOCKETS) += port/posix/unix.c
src-$(CONFIG_LOG_SERIAL)  += port/posix/log_serial.c
src-$(CONFIG_LOG_FORMAT)  += src/proxy/access_format.c src/proxy/log_format.c src/proxy/log_time.c src/ops/config_log_format.c
src-$(CONFIG_LOG_SYSLOG)  += port/posix/log_syslog.c
src-$(CONFIG_PROXY_PROTOCOL) += src/side/proxy_front.c src/net/proxy_protocol.c
src-$(CONFIG_CARES)       += src/proxy/names.c port/posix/lookup.c port/posix/hosts.c
src-$(CONFIG_H2_FRONT)    += $(wildcard src/side/h2_front*.c)
src-$(CONFIG_CONF_PRINT)   += $(wildcard src/ops/config_print*.c)
src-$(CONFIG_CONF_EXPLAIN) += src/ops/config_explain.c
src-$(CONFIG_HEADER_EDIT) += src/proxy/header_edit.c
src-$(CONFIG_TLS)         += $(wildcard src/net/tls*.c)
src-$(CONFIG_WEBSOCKET)   += src/proxy/websocket.c src/base/sha1.c
src-$(CONFIG_BALANCER)    += src/proxy/balancer.c src/proxy/balanced.c src/proxy/sticky.c src/proxy/health.c \
    src/proxy/health_check.c src/proxy/backend_pulse.c src/proxy/balancer_change.c src/ops/config_balancer.c \
    src/ops/config_member.c
src-$(CONFIG_CHANGE_USER) += port/posix/user.c
src-$(CONFIG_DAEMON)      += port/posix/daemon.c
src-$(CONFIG_CHANGE_USER)$(CONFIG_DAEMON) += src/ops/process.c
src-$(CONFIG_STATE)       += src/ops/stats.c
src-$(CONFIG_RELOAD)      += src/ops/reload.c src/ops/config_same.c src/proxy/backend_drop.c
src-$(CONFIG_REVERSE_MAP) += src/proxy/reverse_map.c src/proxy/forward_map.c
src-$(CONFIG_FORWARDED)   += src/proxy/forwarded.c

lib_src  := $(filter-out $(src-),$(sort $(wildcard src/*/*.c)))
main_src := src/main.c $(filter-out $(src-),$(sort $(port-y)))

# Flags -------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wcast-align$(if $(findstring clang,$(CC)),,=strict) -Werror
DEFINES  := -D_FILE_OFFSET_BITS=64 -include $(AUTOCONF) -Iinclude -Isrc
COMMON   := -std=c11 -g -ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=. \
    $(if $(SYSROOT),--sysroot=$(SYSROOT))

ifdef SANITIZE
OPTIMIZE := -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
else
OPTIMIZE := $(if $(CONFIG_OPTIMIZE_SIZE),-Os,-O2)
endif

# A sysroot has its own list of libraries.
pkg_config = $(if $(SYSROOT),PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) \
    PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/pkgconfig:$(SYSROOT)/usr/share/pkgconfig) $(PKG_CONFIG)

# The libraries. Their heap calls go to src/base/heap.c, which serves them from arenas: so they are linked
# statically, unless LINK=shared. LINK=all links the C library statically too.
NGHTTP2_CFLAGS ?= $(shell $(pkg_config) --cflags libnghttp2 2>/dev/null)
NGHTTP2_LIBS   ?= $(or $(shell $(pkg_config) --libs libnghttp2 2>/dev/null),-lnghttp2)
MBEDTLS_CFLAGS ?=
MBEDTLS_LIBS   ?= -lmbedtls -lmbedx509 -lmbedcrypto
CARES_LIBS     ?= -lcares
LIBS := $(NGHTTP2_LIBS) $(if $(CONFIG_CARES),$(CARES_LIBS)) $(if $(CONFIG_TLS),$(MBEDTLS_LIBS))

WRAP    := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
ALL_CFLAGS  = $(COMMON) $(WARNINGS) $(OPTIMIZE) $(NGHTTP2_CFLAGS) $(MBEDTLS_CFLAGS) $(DEFINES) $(CFLAGS)
ALL_LDFLAGS = $(COMMON) $(OPTIMIZE) $(CFLAGS) -Wl,--gc-sections $(WRAP) $(if $(filter all,$(LINK)),-static) \
    $(LDFLAGS)
ALL_LIBS    = $(if $(filter static,$(LINK)),-Wl$(comma)-Bstatic $(LIBS) -Wl$(comma)-Bdynamic,$(LIBS))
comma := ,

# Rules of compilation ----------------------------------------------------------------------------------------

obj = $(patsubst %.c,$(O)/obj/%.o,$(1))

ifneq ($(compiling),)
$(call remember,$(O)/.flags,$(CC) $(ALL_CFLAGS) $(VERSION) $(ETC))
$(call remember,$(O)/.linked,$(main_src) $(lib_src) $(ALL_LDFLAGS) $(ALL_LIBS))
endif

.PHONY: all
all: $(O)/culvert

# A configuration that is built in: checked by the program's own parser, which HOSTCC compiles for this machine. Of the
# other modules only what the parser needs is linked; the floors that want libraries are left out.
ifdef CONFIG_BUILTIN
ifneq ($(words $(CONFIG_BUILTIN_CONF)),1)
$(error BUILTIN_CONF is $(CONFIG_BUILTIN_CONF): make takes no name with a blank in it)
endif
builtin_conf := $(patsubst "%",%,$(CONFIG_BUILTIN_CONF))
made_obj     := $(O)/obj/made/builtin_files.o
checker_src  := .build/check_conf.c $(filter-out src/side/% src/net/tls% src/http/h2_% src/ops/server%,$(lib_src))

$(O)/check-conf: $(checker_src) $(wildcard src/*/*.h include/*.h) $(AUTOCONF) | $(O)/.config-checked
	@$(say) HOSTCC $@
	$(Q)$(HOSTCC) -std=c11 -O0 -ffunction-sections -fdata-sections $(DEFINES) $(HOSTCFLAGS) -o $@ $(filter %.c,$^) \
	    -Wl,--gc-sections
$(O)/builtin_files.c: $(builtin_conf) $(O)/check-conf .build/builtin.py
	@$(say) BUILTIN $<
	$(Q)$(PYTHON) -B .build/builtin.py $(O)/check-conf $< $@
$(made_obj): $(O)/builtin_files.c $(O)/.flags
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -c -o $@ $<
-include $(O)/builtin_files.d
endif

$(O)/culvert: $(call obj,$(main_src) $(lib_src)) $(made_obj) $(O)/.linked
	@$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(ALL_LIBS)

# All of src/ but main.c, for test programs.
$(O)/libculvert.a: $(call obj,$(lib_src)) $(made_obj) $(O)/.linked
	@$(say) AR $@
	$(Q)rm -f $@ && $(CROSS_COMPILE)ar rcsD $@ $(filter %.o,$^)

# Impossible combinations of options end the build here, with the option's name.
$(O)/.config-checked: include/config_check.h $(AUTOCONF) $(O)/.flags
	$(Q)$(CC) -std=c11 -include $(AUTOCONF) -fsyntax-only -x c include/config_check.h && touch $@

$(O)/obj/%.o: %.c $(O)/.flags | $(O)/.config-checked
	@$(say) CC $<
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -MF $(@:.o=.dep) -c -o $@ $< && \
	    awk -v autoconf=$(AUTOCONF) -v symbols=$(SYMBOLS) -f .build/symbols.awk $(@:.o=.dep) >$(@:.o=.d)

$(call obj,src/main.c): DEFINES += -DCULVERT_VERSION='"$(VERSION)"' -DCULVERT_CONF='"$(ETC)/culvert.conf"'
$(O)/obj/tests/%.o: WARNINGS += -Wno-conversion
.SECONDARY:

-include $(patsubst %.o,%.d,$(call obj,$(lib_src) $(main_src) $(wildcard tests/unit/*.c tests/sim/*.c tests/fuzz/*.c)))

# Configuration goals -----------------------------------------------------------------------------------------

.PHONY: menuconfig oldconfig olddefconfig savedefconfig
menuconfig oldconfig:
	@mkdir -p $(O)
	$(Q)$(kconfig_tool) $@ Kconfig

olddefconfig:
	$(Q)$(KCONFIG) config $(O)/.config $(O)/.config

savedefconfig:
	$(Q)$(KCONFIG) minimal $(O)/.config $(O)/defconfig
	@echo "$(O)/defconfig holds what differs from the defaults."

%_defconfig: config/%_defconfig
	$(Q)$(KCONFIG) config $< $(O)/.config
	@echo "$(O)/.config is that of $<."
config/%_defconfig:
	@echo "There is no $@. There are: $(patsubst config/%,%,$(wildcard $(@D)/*_defconfig))" >&2; false

# Installation ------------------------------------------------------------------------------------------------

man_pages := config/man/culvert.8 config/man/culvert.conf.5

.PHONY: install install-strip uninstall clean distclean
install: $(O)/culvert
	install -d $(DESTDIR)$(SBIN) $(DESTDIR)$(ETC) $(DESTDIR)$(DATA)
	install -m 755 $(O)/culvert $(DESTDIR)$(SBIN)/culvert
	install -m 644 config/culvert.conf $(DESTDIR)$(ETC)/culvert.conf.example
	install -m 644 config/culvert.lnav.json $(DESTDIR)$(DATA)/culvert.lnav.json
	install -d $(DESTDIR)$(MAN)/man5 $(DESTDIR)$(MAN)/man8
	install -m 644 $(filter %.5,$(man_pages)) $(DESTDIR)$(MAN)/man5
	install -m 644 $(filter %.8,$(man_pages)) $(DESTDIR)$(MAN)/man8

install-strip: install
	$(STRIP) $(DESTDIR)$(SBIN)/culvert

uninstall:
	rm -f $(DESTDIR)$(SBIN)/culvert $(DESTDIR)$(ETC)/culvert.conf.example $(DESTDIR)$(DATA)/culvert.lnav.json \
	    $(DESTDIR)$(MAN)/man5/culvert.conf.5 $(DESTDIR)$(MAN)/man8/culvert.8
	-rmdir $(DESTDIR)$(ETC) $(DESTDIR)$(DATA) 2>/dev/null

clean:
	rm -rf $(O)/randconfig $(O)/obj $(O)/asan $(O)/clang $(O)/clang-system $(O)/check $(O)/seeds $(O)/test $(O)/tidy $(O)/include $(O)/culvert $(O)/libculvert.a \
	    $(O)/check-conf $(O)/builtin_files.* $(O)/.flags $(O)/.linked $(O)/.config-source $(O)/.config-checked

distclean: clean
	rm -f $(O)/.config $(O)/.config.old $(O)/defconfig
	-rmdir $(O) 2>/dev/null

# Tests -------------------------------------------------------------------------------------------------------
# Test programs are built by this same Makefile in $(O)/asan, with sanitizers and with the guards of memory on; in
# $(O)/clang those of the fuzzer, and unit and sim once more, without the block that HTTP/2 sessions share.

guarded = CONFIG_FILE=$(CONFIG_FILE) CONFIG_SET="$(CONFIG_SET) HEAP_GUARD=y POISON=y"
asan    = $(MAKE) O=$(O)/asan SANITIZE=address,undefined $(guarded)
clang   = $(MAKE) O=$(O)/clang CC=clang SANITIZE=fuzzer-no-link,address,undefined CONFIG_FILE=$(CONFIG_FILE) \
    CONFIG_SET="$(CONFIG_SET) H2_SHARED_BLOCK=n HEAP_GUARD=y POISON=y"

# One suite after another, also when several are asked for at once.
.PHONY: unit sim sim-tiny seeds fuzz clang-tests system run-unit run-sim run-seeds run-fuzz
unit:
	+$(Q)$(asan) run-unit
sim: | $(filter unit,$(MAKECMDGOALS))
	+$(Q)$(asan) run-sim
# Chaos over many seeds: small pools, and no sanitizer, so that it is quick.
seeds:
	+$(Q)$(MAKE) O=$(O)/seeds CONFIG_FILE=config/router_defconfig \
	    CONFIG_SET="$(CONFIG_SET) TLS=n CARES=n HEAP_GUARD=y POISON=y" run-seeds
# The smallest configuration: what runs out, and what a client sees of that. No sanitizer, so that it is quick.
sim-tiny:
	+$(Q)$(MAKE) O=$(O)/sim-tiny CONFIG_FILE=config/tiny_defconfig CONFIG_SET="HEAP_GUARD=y POISON=y" run-sim
fuzz:
	+$(Q)$(clang) run-fuzz
clang-tests:
	+$(Q)$(clang) run-unit
	+$(Q)$(clang) run-sim
system: $(O)/culvert | $(filter unit sim,$(MAKECMDGOALS))
	+$(Q)$(asan) -s $(O)/asan/culvert
	$(Q)CULVERT=$(abspath $(O)/culvert) CULVERT_ASAN=$(abspath $(O)/asan/culvert) \
	    $(PYTHON) -B -m pytest -q -p no:cacheprovider -n $(PYTEST_JOBS) --dist loadgroup tests/system $(PYTEST_ARGS)
# They mostly wait for one another, so more run at once than there are processors.
PYTEST_JOBS ?= 4

tests_of  = $(addprefix $(O)/test/$(1)/,$(basename $(notdir $(sort $(wildcard tests/$(1)/$(2)*.c)))))
helpers   = $(call obj,$(filter-out tests/$(1)/$(2)%.c,$(sort $(wildcard tests/$(1)/*.c))))
unit_bins := $(call tests_of,unit,test_)
sim_bins  := $(call tests_of,sim,test_)
fuzz_bins := $(call tests_of,fuzz,fuzz_)

run-unit: $(unit_bins)
	$(Q).build/run-tests.sh unit $(unit_bins)
run-sim: $(sim_bins)
	$(Q).build/run-tests.sh sim $(sim_bins)
run-seeds: $(O)/test/sim/test_chaos
	$(Q).build/run-seeds.sh $< $(SEEDS)
SEEDS ?= 10000
run-fuzz: $(fuzz_bins)
	$(Q).build/run-fuzz.sh $(O)/corpus $(FUZZ_RUNS) $(fuzz_bins)
FUZZ_RUNS ?= 50000

CMOCKA_LIBS ?= -lcmocka
link_test = $(CC) $(ALL_LDFLAGS) $(1) -o $@ $(filter %.o,$^) \
    -Wl,--start-group $(filter %.a,$^) $(ALL_LIBS) -Wl,--end-group
# A unit program takes of the helpers those that it names, so that it stays as small as what it tests.
$(unit_bins): $(O)/test/unit/helpers.a
$(O)/test/unit/helpers.a: $(call helpers,unit,test_)
	@$(say) AR $@
	$(Q)mkdir -p $(@D) && rm -f $@ && $(CROSS_COMPILE)ar rcsD $@ $(filter %.o,$^)
$(sim_bins): $(call helpers,sim,test_)
$(fuzz_bins): $(call helpers,fuzz,fuzz_) $(call obj,$(wildcard tests/unit/port_stub.c))
$(unit_bins) $(sim_bins): $(O)/test/%: $(O)/obj/tests/%.o $(O)/libculvert.a
	@$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(call link_test) $(CMOCKA_LIBS)
$(fuzz_bins): $(O)/test/%: $(O)/obj/tests/%.o $(O)/libculvert.a
	@$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(call link_test,-fsanitize=fuzzer)

# Form and static analysis ------------------------------------------------------------------------------------

all_c     := $(sort $(wildcard src/*.c src/*/*.c port/*/*.c))
all_h     := $(sort $(wildcard include/*.h src/*/*.h port/*/*.h))
formatted := $(all_c) $(all_h) $(sort $(wildcard tests/*/*.[ch]))

.PHONY: format check-format layering docs check-readme check-man tidy cppcheck
format:
	$(Q)$(CLANG_FORMAT) -i $(formatted)
check-format:
	$(Q)$(CLANG_FORMAT) --dry-run --Werror $(formatted)
	@echo "check-format: $(words $(formatted)) files"

layering:
	$(Q)$(PYTHON) -B tests/layering.py --self-test
	$(Q)$(PYTHON) -B tests/layering.py

# Writes the tables of README and manual from their one source.
docs:
	$(Q)$(PYTHON) -B .build/docs.py

# README and the manual name all directives, options and reasons, and README's configurations are good.
check-readme: compile-host-gcc
	$(Q)CULVERT=$(O)/check/host-gcc/culvert $(PYTHON) -B .build/readme_tables.py

check-man:
	$(Q)! mandoc -T lint $(man_pages) 2>&1 | grep -v 'referenced manual not found: Xr culvert'
	@echo "check-man: $(man_pages)"

# What only a build with BUILTIN_CONF has cannot be looked at without it.
tidied := $(filter-out $(filter src/base/builtin.c,$(src-)),$(all_c))
tidy: $(tidied:%=$(O)/tidy/%.ok)
	@echo "tidy: $(words $(tidied)) files"
$(O)/tidy/%.ok: % .clang-tidy $(all_h) $(AUTOCONF)
	@$(say) TIDY $<
	$(Q)mkdir -p $(@D) && $(CLANG_TIDY) --quiet $< -- -std=c11 $(NGHTTP2_CFLAGS) $(MBEDTLS_CFLAGS) $(DEFINES) \
	    -DCULVERT_VERSION='"$(VERSION)"' 2>$@.err || { cat $@.err; false; }
	$(Q)touch $@

cppcheck: $(AUTOCONF)
	$(Q)cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	    --suppress=missingIncludeSystem --include=$(AUTOCONF) -Iinclude -Isrc -DCULVERT_VERSION='""' $(all_c)
	@echo "cppcheck: $(words $(all_c)) files"

# Other builds ------------------------------------------------------------------------------------------------

defconfigs := host router tiny
compilers  := host-gcc $(foreach config,$(filter-out host,$(defconfigs)),$(config)-gcc $(config)-clang)
words_of    = $(subst -, ,$(1))

# Every defconfig with both compilers (host with clang is built by the tests), and every feature flipped alone, with
# PROGRAMS of the simulator's test programs.
.PHONY: compilers options clang-system $(compilers:%=compile-%)
compilers: $(compilers:%=compile-%)
$(compilers:%=compile-%): compile-%:
	+$(Q)$(MAKE) O=$(O)/check/$* CC=$(word 2,$(call words_of,$*)) \
	    CONFIG_FILE=config/$(word 1,$(call words_of,$*))_defconfig \
	    CFLAGS="$(CFLAGS) $(if $(findstring clang,$*),,$(call_graph))" all
# What stack.py reads.
call_graph := -fcallgraph-info=su

# What one flip compiles again, ccache has from an earlier one, if that was without effect on the file.
# Empty, not undefined, below another make (export, below).
options: PROGRAMS := $(or $(PROGRAMS),8)
options:
	+$(Q)export CCACHE_DIR=$(abspath $(O))/ccache; $(KCONFIG) options | .build/options.sh $(O)/check/option $(PROGRAMS) \
	    $(MAKE) CC="ccache $(CC)" CFLAGS="$(CFLAGS) -O0 -g0"

# The system tests with a clang build, and without the block that HTTP/2 sessions share.
clang-system:
	+$(Q)$(MAKE) O=$(O)/clang-system CC=clang CONFIG_FILE=$(CONFIG_FILE) CONFIG_SET="$(CONFIG_SET) H2_SHARED_BLOCK=n" \
	    PYTEST_ARGS="-m 'not once'" system

# Other architectures -----------------------------------------------------------------------------------------
# Each is built with the router's capacities by Debian's cross compiler, and run by qemu: unit, sim and, with curl, h2load
# and other real peers, the main system tests. s390x is here because it is big-endian.

cross_archs    := mipsel arm64 s390x
triple-mipsel  := mipsel-linux-gnu
triple-arm64   := aarch64-linux-gnu
triple-s390x   := s390x-linux-gnu
ccache         := $(if $(shell command -v ccache),ccache )
# $(call cross,ARCH,FOLDER): this Makefile for an architecture.
cross = CCACHE_DIR=$(abspath $(O))/ccache $(MAKE) O=$(O)/cross/$(1)$(2) CROSS_COMPILE=$(triple-$(1))- \
    CC="$(ccache)$(triple-$(1))-gcc" CONFIG_FILE=config/router_defconfig EMULATOR=$(call qemu,$(1))
qemu  = qemu-$(firstword $(subst -, ,$(triple-$(1))))

.PHONY: check-cross cross-budget $(cross_archs:%=cross-%)
check-cross: deps-cross
	+$(Q).build/check.sh "$(MAKE)" $(cross_archs:%=cross-%) cross-budget
# Where a processor is imitated, fewer of the many alike runs of the simulator do.
$(cross_archs:%=cross-%): cross-%:
	+$(Q)SIM_RUNS=10 SIM_STEP=7 $(call cross,$*,/guarded) CONFIG_SET="HEAP_GUARD=y POISON=y" run-unit
	+$(Q)SIM_RUNS=10 SIM_STEP=7 $(call cross,$*,/guarded) CONFIG_SET="HEAP_GUARD=y POISON=y" run-sim
	+$(Q)$(call cross,$*) run-emulated
# The promise for a small router: 96 KiB of the program's own code in the tiny build.
cross-budget:
	+$(Q)$(call cross,mipsel,/tiny) CONFIG_FILE=config/tiny_defconfig CFLAGS="$(CFLAGS) -mips16 -fno-pie -no-pie" all
	$(Q)CROSS_COMPILE=$(triple-mipsel)- $(PYTHON) -B .build/footprint.py --code-limit 98304 $(O)/cross/mipsel/tiny

# The main system tests with a binary that EMULATOR runs.
run-emulated: $(O)/culvert
	$(Q)printf '#!/bin/sh\nexec $(EMULATOR) $(abspath $<) "$$@"\n' >$<-emulated && chmod +x $<-emulated
	$(Q)file -b $< | cut -d, -f1-3
	$(Q)$<-emulated -V | head -2
	$(Q)CULVERT=$(abspath $<-emulated) $(PYTHON) -B -m pytest -q -p no:cacheprovider -n $(PYTEST_JOBS) -rP \
	    tests/system/test_traffic.py $(PYTEST_ARGS)

# Random valid configurations, drawn from SEED: built without a warning, and run by the simulator's tests.
export N SEED ONLY PROGRAMS
.PHONY: randconfig-check
randconfig-check: deps-check
	$(Q)MAKE_COMMAND="$(MAKE)" $(PYTHON) -B .build/randconfig.py $(O)/randconfig

# What the README shows ---------------------------------------------------------------------------------------

.PHONY: deps deps-build deps-run deps-check deps-bench deps-cross run check check-builds bench footprint footprint-all option-costs bloatcheck stack budget help
deps: deps-check
deps-build deps-run deps-check deps-bench deps-cross: deps-%:
	@.build/deps.sh $*

run: deps-run
	+$(Q)$(MAKE) -s $(O)/culvert
	@DEMO_PORT=$(DEMO_PORT) exec $(PYTHON) -B .build/run.py $(O)/culvert

checks := check-format layering check-readme check-man cppcheck tidy compilers budget stack unit sim seeds fuzz system
check: deps-check
	+$(Q).build/check.sh "$(MAKE)" $(checks)

# Other builds of the same: beyond the ten minutes that check may take.
check-builds: deps-check
	+$(Q).build/check.sh "$(MAKE)" sim-tiny clang-tests options clang-system

bench: deps-bench
	+$(Q)$(MAKE) -s $(O)/culvert
	$(Q)CULVERT=$(abspath $(O)/culvert) $(PYTHON) -B tests/bench/bench.py $(BENCH_ARGS)

footprint:
	+$(Q)$(MAKE) -s O=$(O)/footprint CONFIG_FILE=$(CONFIG_FILE) CFLAGS="$(CFLAGS) $(call_graph)" all
	$(Q)CROSS_COMPILE=$(CROSS_COMPILE) $(PYTHON) -B .build/footprint.py $(O)/footprint
footprint-all: $(defconfigs:%=compile-%-gcc)
	$(Q)CROSS_COMPILE=$(CROSS_COMPILE) $(PYTHON) -B .build/footprint.py $(defconfigs:%=$(O)/check/%-gcc)

# What each feature adds to host_defconfig, which its prompt in Kconfig tells.
option-costs:
	+$(Q)$(KCONFIG) options | $(PYTHON) -B .build/option_costs.py $(O)/option-costs $(MAKE)

# The change by symbol between a revision (BASE=) and this tree.
bloatcheck:
	+$(Q)MAKE="$(MAKE)" CROSS_COMPILE=$(CROSS_COMPILE) .build/bloatcheck.sh $(O)/bloat "$(BASE)" "$(CONFIG_FILE)"

# No function of ours can call itself, and the deepest path keeps to 8 KiB.
stack: compile-host-gcc
	$(Q)$(PYTHON) -B .build/stack.py --limit 8192 $(O)/check/host-gcc

# The promises: 512 KiB of RAM for the tiny build, 4 MiB for a router's.
budget: compile-tiny-gcc compile-router-gcc
	$(Q)CROSS_COMPILE=$(CROSS_COMPILE) $(PYTHON) -B .build/footprint.py --limit 4194304 $(O)/check/router-gcc
	$(Q)CROSS_COMPILE=$(CROSS_COMPILE) $(PYTHON) -B .build/footprint.py --limit 524288 $(O)/check/tiny-gcc

help:
	@cat .build/help.txt

endif
