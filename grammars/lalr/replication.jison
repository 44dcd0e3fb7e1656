/*
 * The replication commands once more, as Bison and flex read them: the second reader, which tests hold the first one
 * (replication.peggy) against. No part of the package imports it.
 *
 * A transcription of PostgreSQL's src/backend/replication/repl_gram.y and repl_scanner.l of all versions for jison, which makes
 * LALR(1) parsers like Bison, and with `flex` scanners that take the longest match. Productions, tokens, start conditions and
 * their order are the originals'; actions build the nodes of src/command/ast.ts.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * Lines between `%if`, `%else` and `%endif` are for servers with, or without, a capability of src/command/capabilities.ts; what is left
 * for one version is what its Bison and flex files say. test/oracle/lalr.ts does that, and gives `yy` what is C in the
 * originals. The text comes as flex sees it: a character for each byte.
 */

%lex

%options flex

%x xd
%x xq

%if verticalTabIsSpace
space           [ \t\n\r\f\v]
%else
%if firstTokenRule
space           [ \t\n\r\f]
%else
space           [ \t\n]
%endif
%endif

quote           [']
quotestop       {quote}

xqstart         {quote}
xqdouble        {quote}{quote}
xqinside        [^']+

dquote          ["]
xdstart         {dquote}
xdstop          {dquote}
xddouble        {dquote}{dquote}
xdinside        [^"]+

digit           [0-9]
%if firstTokenRule
hexdigit        [0-9A-Fa-f]
%else
hexdigit        [0-9A-Za-z]
%endif

ident_start     [A-Za-z\x80-\xff_]
ident_cont      [A-Za-z\x80-\xff_0-9$]

identifier      {ident_start}{ident_cont}*

%%

"BASE_BACKUP"               return 'K_BASE_BACKUP';
"IDENTIFY_SYSTEM"           return 'K_IDENTIFY_SYSTEM';
"TIMELINE"                  return 'K_TIMELINE';
"START_REPLICATION"         return 'K_START_REPLICATION';
"CREATE_REPLICATION_SLOT"   return 'K_CREATE_REPLICATION_SLOT';
"DROP_REPLICATION_SLOT"     return 'K_DROP_REPLICATION_SLOT';
"TIMELINE_HISTORY"          return 'K_TIMELINE_HISTORY';
"PHYSICAL"                  return 'K_PHYSICAL';
"LOGICAL"                   return 'K_LOGICAL';
"SLOT"                      return 'K_SLOT';
%if baseBackupKeywords
"FAST"                      return 'K_FAST';
"LABEL"                     return 'K_LABEL';
"NOWAIT"                    return 'K_NOWAIT';
"PROGRESS"                  return 'K_PROGRESS';
"MAX_RATE"                  return 'K_MAX_RATE';
"WAL"                       return 'K_WAL';
%endif
%if baseBackupTablespaceMap
"TABLESPACE_MAP"            return 'K_TABLESPACE_MAP';
%endif
%if baseBackupNoVerifyChecksums
"NOVERIFY_CHECKSUMS"        return 'K_NOVERIFY_CHECKSUMS';
%endif
%if baseBackupManifest
"MANIFEST"                  return 'K_MANIFEST';
"MANIFEST_CHECKSUMS"        return 'K_MANIFEST_CHECKSUMS';
%endif
%if reserveWal
"RESERVE_WAL"               return 'K_RESERVE_WAL';
%endif
%if showCommand
"SHOW"                      return 'K_SHOW';
%endif
%if createSlotOptions
"TEMPORARY"                 return 'K_TEMPORARY';
"EXPORT_SNAPSHOT"           return 'K_EXPORT_SNAPSHOT';
"NOEXPORT_SNAPSHOT"         return 'K_NOEXPORT_SNAPSHOT';
"USE_SNAPSHOT"              return 'K_USE_SNAPSHOT';
"WAIT"                      return 'K_WAIT';
%endif
%if genericOptions
"TWO_PHASE"                 return 'K_TWO_PHASE';
%endif
%if readReplicationSlot
"READ_REPLICATION_SLOT"     return 'K_READ_REPLICATION_SLOT';
%endif
%if alterReplicationSlot
"ALTER_REPLICATION_SLOT"    return 'K_ALTER_REPLICATION_SLOT';
%endif
%if uploadManifest
"UPLOAD_MANIFEST"           return 'K_UPLOAD_MANIFEST';
%endif

%if not firstTokenRule
","                         return ',';
";"                         return ';';
"("                         return '(';
")"                         return ')';
%endif

{space}+                    /* do nothing */

{digit}+                    %{
                                yytext = yy.strtoul(yytext);
                                return 'UCONST';
                            %}

{hexdigit}+"/"{hexdigit}+   %{
%if lsnLowHalfIsEightDigits
                                yytext = yy.sscanfRecptr(yytext, 8);
%else
                                yytext = yy.sscanfRecptr(yytext, Infinity);
%endif
                                if (yytext === undefined) yy.yyerror("invalid streaming start location");
                                return 'RECPTR';
                            %}

{xqstart}                   %{
                                this.begin('xq');
                                yy.startlit();
                            %}

<xq>{quotestop}             %{
                                this.popState();
                                yytext = yy.litbufdup();
                                return 'SCONST';
                            %}

<xq>{xqdouble}              yy.addlit("'");

<xq>{xqinside}              yy.addlit(yytext);

{xdstart}                   %{
                                this.begin('xd');
                                yy.startlit();
                            %}

<xd>{xdstop}                %{
                                this.popState();
                                yytext = yy.truncate_identifier(yy.litbufdup());
                                return 'IDENT';
                            %}

%if doubledQuoteInIdentifier
<xd>{xddouble}              yy.addlit('"');

%endif
<xd>{xdinside}              yy.addlit(yytext);

{identifier}                %{
                                yytext = yy.downcase_truncate_identifier(yytext);
                                return 'IDENT';
                            %}

<xq,xd><<EOF>>              yy.yyerror("unterminated quoted string");

[^\n]                       %{
%if firstTokenRule
                                return yytext;
%else
%if unknownCharacterIsToken
                                return 'T_WORD';
%else
                                yy.yyerror('syntax error: unexpected character "' + yytext + '"');
%endif
%endif
                            %}

/lex

%start firstcmd

%%

firstcmd
    : command opt_semicolon
        { yy.replication_parse_result($1); }
    ;

opt_semicolon
    : ';'
    |
    ;

command
    : identify_system
    | base_backup
    | start_replication
    | start_logical_replication
    | create_replication_slot
    | drop_replication_slot
%if alterReplicationSlot
    | alter_replication_slot
%endif
%if readReplicationSlot
    | read_replication_slot
%endif
    | timeline_history
%if showCommand
    | show
%endif
%if uploadManifest
    | upload_manifest
%endif
%if sqlCommands
%if not firstTokenRule
    | sql_cmd
%endif
%endif
    ;

identify_system
    : K_IDENTIFY_SYSTEM
        { $$ = { type: "IdentifySystemCmd" }; }
    ;

%if readReplicationSlot
read_replication_slot
    : K_READ_REPLICATION_SLOT var_name
        { $$ = { type: "ReadReplicationSlotCmd", slotname: $2 }; }
    ;

%endif
%if showCommand
show
    : K_SHOW var_name
        { $$ = { type: "VariableShowStmt", name: $2 }; }
    ;

var_name
    : IDENT
        { $$ = $1; }
    | var_name '.' IDENT
        { $$ = $1 + "." + $3; }
    ;

%endif
base_backup
%if genericOptions
    : K_BASE_BACKUP '(' generic_option_list ')'
        { $$ = { type: "BaseBackupCmd", options: $3 }; }
    | K_BASE_BACKUP
        { $$ = { type: "BaseBackupCmd", options: [] }; }
%else
    : K_BASE_BACKUP base_backup_opt_list
        { $$ = { type: "BaseBackupCmd", options: $2 }; }
%endif
    ;

%if baseBackupKeywords
base_backup_opt_list
    : base_backup_opt_list base_backup_opt
        { $$ = yy.lappend($1, $2); }
    |
        { $$ = []; }
    ;

base_backup_opt
    : K_LABEL SCONST
        { $$ = yy.makeDefElem("label", yy.makeString($2)); }
    | K_PROGRESS
        { $$ = yy.makeDefElem("progress", yy.makeInteger(1)); }
    | K_FAST
        { $$ = yy.makeDefElem("fast", yy.makeInteger(1)); }
    | K_WAL
        { $$ = yy.makeDefElem("wal", yy.makeInteger(1)); }
    | K_NOWAIT
        { $$ = yy.makeDefElem("nowait", yy.makeInteger(1)); }
    | K_MAX_RATE UCONST
        { $$ = yy.makeDefElem("max_rate", yy.makeInteger($2)); }
%if baseBackupTablespaceMap
    | K_TABLESPACE_MAP
        { $$ = yy.makeDefElem("tablespace_map", yy.makeInteger(1)); }
%endif
%if baseBackupNoVerifyChecksums
    | K_NOVERIFY_CHECKSUMS
        { $$ = yy.makeDefElem("noverify_checksums", yy.makeInteger(1)); }
%endif
%if baseBackupManifest
    | K_MANIFEST SCONST
        { $$ = yy.makeDefElem("manifest", yy.makeString($2)); }
    | K_MANIFEST_CHECKSUMS SCONST
        { $$ = yy.makeDefElem("manifest_checksums", yy.makeString($2)); }
%endif
    ;

%endif
create_replication_slot
%if createSlotOptions
    : K_CREATE_REPLICATION_SLOT IDENT opt_temporary K_PHYSICAL create_slot_options
        { $$ = yy.createReplicationSlot("PHYSICAL", $2, undefined, $3, $5); }
    | K_CREATE_REPLICATION_SLOT IDENT opt_temporary K_LOGICAL IDENT create_slot_options
        { $$ = yy.createReplicationSlot("LOGICAL", $2, $5, $3, $6); }
%else
%if reserveWal
    : K_CREATE_REPLICATION_SLOT IDENT K_PHYSICAL opt_reserve_wal
        { $$ = yy.createReplicationSlot("PHYSICAL", $2, undefined, false, $4); }
%else
    : K_CREATE_REPLICATION_SLOT IDENT K_PHYSICAL
        { $$ = yy.createReplicationSlot("PHYSICAL", $2, undefined, false, []); }
%endif
    | K_CREATE_REPLICATION_SLOT IDENT K_LOGICAL IDENT
        { $$ = yy.createReplicationSlot("LOGICAL", $2, $4, false, []); }
%endif
    ;

%if createSlotOptions
create_slot_options
%if genericOptions
    : '(' generic_option_list ')'
        { $$ = $2; }
    | create_slot_legacy_opt_list
        { $$ = $1; }
%else
    : create_slot_legacy_opt_list
        { $$ = $1; }
%endif
    ;

create_slot_legacy_opt_list
    : create_slot_legacy_opt_list create_slot_legacy_opt
        { $$ = yy.lappend($1, $2); }
    |
        { $$ = []; }
    ;

create_slot_legacy_opt
%if genericOptions
    : K_EXPORT_SNAPSHOT
        { $$ = yy.makeDefElem("snapshot", yy.makeString("export")); }
    | K_NOEXPORT_SNAPSHOT
        { $$ = yy.makeDefElem("snapshot", yy.makeString("nothing")); }
    | K_USE_SNAPSHOT
        { $$ = yy.makeDefElem("snapshot", yy.makeString("use")); }
    | K_RESERVE_WAL
        { $$ = yy.makeDefElem("reserve_wal", yy.makeBoolean(true)); }
    | K_TWO_PHASE
        { $$ = yy.makeDefElem("two_phase", yy.makeBoolean(true)); }
%else
    : K_EXPORT_SNAPSHOT
        { $$ = yy.makeDefElem("export_snapshot", yy.makeInteger(1)); }
    | K_NOEXPORT_SNAPSHOT
        { $$ = yy.makeDefElem("export_snapshot", yy.makeInteger(0)); }
    | K_USE_SNAPSHOT
        { $$ = yy.makeDefElem("use_snapshot", yy.makeInteger(1)); }
    | K_RESERVE_WAL
        { $$ = yy.makeDefElem("reserve_wal", yy.makeInteger(1)); }
%endif
    ;

%endif
drop_replication_slot
    : K_DROP_REPLICATION_SLOT IDENT
        { $$ = { type: "DropReplicationSlotCmd", slotname: $2, wait: false }; }
%if createSlotOptions
    | K_DROP_REPLICATION_SLOT IDENT K_WAIT
        { $$ = { type: "DropReplicationSlotCmd", slotname: $2, wait: true }; }
%endif
    ;

%if alterReplicationSlot
alter_replication_slot
    : K_ALTER_REPLICATION_SLOT IDENT '(' generic_option_list ')'
        { $$ = { type: "AlterReplicationSlotCmd", slotname: $2, options: $4 }; }
    ;

%endif
start_replication
    : K_START_REPLICATION opt_slot opt_physical RECPTR opt_timeline
        { $$ = yy.startReplication("PHYSICAL", $2, $4, $5, []); }
    ;

start_logical_replication
    : K_START_REPLICATION K_SLOT IDENT K_LOGICAL RECPTR plugin_options
        { $$ = yy.startReplication("LOGICAL", $3, $5, 0, $6); }
    ;

timeline_history
    : K_TIMELINE_HISTORY UCONST
        {
            if ($2 <= 0) yy.yyerror("invalid timeline " + $2);
            $$ = { type: "TimeLineHistoryCmd", timeline: $2 };
        }
    ;

%if uploadManifest
upload_manifest
    : K_UPLOAD_MANIFEST
        { $$ = { type: "UploadManifestCmd" }; }
    ;

%endif
opt_physical
    : K_PHYSICAL
    |
    ;

%if createSlotOptions
opt_temporary
    : K_TEMPORARY
        { $$ = true; }
    |
        { $$ = false; }
    ;

%else
%if reserveWal
opt_reserve_wal
    : K_RESERVE_WAL
        { $$ = [yy.makeDefElem("reserve_wal", yy.makeInteger(1))]; }
    |
        { $$ = []; }
    ;

%endif
%endif
opt_slot
    : K_SLOT IDENT
        { $$ = $2; }
    |
        { $$ = undefined; }
    ;

opt_timeline
    : K_TIMELINE UCONST
        {
            if ($2 <= 0) yy.yyerror("invalid timeline " + $2);
            $$ = $2;
        }
    |
        { $$ = 0; }
    ;

plugin_options
    : '(' plugin_opt_list ')'
        { $$ = $2; }
    |
        { $$ = []; }
    ;

plugin_opt_list
    : plugin_opt_elem
        { $$ = [$1]; }
    | plugin_opt_list ',' plugin_opt_elem
        { $$ = yy.lappend($1, $3); }
    ;

plugin_opt_elem
    : IDENT plugin_opt_arg
        { $$ = yy.makeDefElem($1, $2); }
    ;

plugin_opt_arg
    : SCONST
        { $$ = yy.makeString($1); }
    |
        { $$ = undefined; }
    ;

%if genericOptions
generic_option_list
    : generic_option_list ',' generic_option
        { $$ = yy.lappend($1, $3); }
    | generic_option
        { $$ = [$1]; }
    ;

generic_option
    : ident_or_keyword
        { $$ = yy.makeDefElem($1, undefined); }
    | ident_or_keyword IDENT
        { $$ = yy.makeDefElem($1, yy.makeString($2)); }
    | ident_or_keyword SCONST
        { $$ = yy.makeDefElem($1, yy.makeString($2)); }
    | ident_or_keyword UCONST
        { $$ = yy.makeDefElem($1, yy.makeInteger($2)); }
    ;

ident_or_keyword
    : IDENT                         { $$ = $1; }
    | K_BASE_BACKUP                 { $$ = "base_backup"; }
    | K_IDENTIFY_SYSTEM             { $$ = "identify_system"; }
    | K_SHOW                        { $$ = "show"; }
    | K_START_REPLICATION           { $$ = "start_replication"; }
    | K_CREATE_REPLICATION_SLOT     { $$ = "create_replication_slot"; }
    | K_DROP_REPLICATION_SLOT       { $$ = "drop_replication_slot"; }
%if alterReplicationSlot
    | K_ALTER_REPLICATION_SLOT      { $$ = "alter_replication_slot"; }
%endif
    | K_TIMELINE_HISTORY            { $$ = "timeline_history"; }
    | K_WAIT                        { $$ = "wait"; }
    | K_TIMELINE                    { $$ = "timeline"; }
    | K_PHYSICAL                    { $$ = "physical"; }
    | K_LOGICAL                     { $$ = "logical"; }
    | K_SLOT                        { $$ = "slot"; }
    | K_RESERVE_WAL                 { $$ = "reserve_wal"; }
    | K_TEMPORARY                   { $$ = "temporary"; }
    | K_TWO_PHASE                   { $$ = "two_phase"; }
    | K_EXPORT_SNAPSHOT             { $$ = "export_snapshot"; }
    | K_NOEXPORT_SNAPSHOT           { $$ = "noexport_snapshot"; }
    | K_USE_SNAPSHOT                { $$ = "use_snapshot"; }
%if uploadManifest
    | K_UPLOAD_MANIFEST             { $$ = "upload_manifest"; }
%endif
    ;

%endif
%if sqlCommands
%if not firstTokenRule
sql_cmd
    : IDENT
        {
            /* Just move lexer to the end of command. */
            for (;;) {
                const tok = yy.lexer.lex();
                if (tok === yy.parser.symbols_[';'] || tok === yy.lexer.EOF) break;
            }
            $$ = { type: "SQLCmd" };
        }
    ;
%endif
%endif
