/*
 * The value of synchronous_standby_names, from 9.6 on, as Bison and flex read it: the second reader, for tests only.
 *
 * Transcribed for jison from PostgreSQL's src/backend/replication/syncrep_gram.y and syncrep_scanner.l, whose productions, tokens,
 * start conditions and their order it keeps; actions build what src/syncrep/ast.ts says.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * Lines between `%if`, `%else` and `%endif` are for servers with, or without, a capability of src/syncrep/capabilities.ts. What is C in
 * the originals `yy` has, of test/oracle/standby-names-lalr.ts. The text comes as flex sees it: a character for each byte.
 */

%lex

%options flex

%x xd

space           [ \t\n\r\f\v]

digit           [0-9]
ident_start     [A-Za-z\x80-\xff_]
ident_cont      [A-Za-z\x80-\xff_0-9$]
identifier      {ident_start}{ident_cont}*

dquote          ["]
xdstart         {dquote}
xdstop          {dquote}
xddouble        {dquote}{dquote}
xdinside        [^"]+

%%

{space}+                    /* ignore */

%if quorumCommit
[Aa][Nn][Yy]                return 'ANY';
[Ff][Ii][Rr][Ss][Tt]        return 'FIRST';

%endif
{xdstart}                   %{
                                yy.initStringInfo();
                                this.begin('xd');
                            %}

<xd>{xddouble}              yy.appendStringInfo('"');

<xd>{xdinside}              yy.appendStringInfo(yytext);

<xd>{xdstop}                %{
                                yytext = yy.xdbuf();
                                this.popState();
                                return 'NAME';
                            %}

<xd><<EOF>>                 yy.yyerror("unterminated quoted identifier", "");

{identifier}                return 'NAME';

{digit}+                    return 'NUM';

"*"                         return 'NAME';

","                         return ',';
"("                         return '(';
")"                         return ')';

[^\n]                       return 'JUNK';

/lex

%start result

%%

result
    : standby_config
        { yy.syncrep_parse_result($1); }
    ;

standby_config
    : standby_list
        { $$ = yy.create_syncrep_config("1", $1, "PRIORITY"); }
    | NUM '(' standby_list ')'
        { $$ = yy.create_syncrep_config($1, $3, "PRIORITY"); }
%if quorumCommit
    | ANY NUM '(' standby_list ')'
        { $$ = yy.create_syncrep_config($2, $4, "QUORUM"); }
    | FIRST NUM '(' standby_list ')'
        { $$ = yy.create_syncrep_config($2, $4, "PRIORITY"); }
%endif
    ;

standby_list
    : standby_name
        { $$ = [$1]; }
    | standby_list ',' standby_name
        { $$ = yy.lappend($1, $3); }
    ;

standby_name
    : NAME
        { $$ = $1; }
    | NUM
        { $$ = $1; }
    ;
