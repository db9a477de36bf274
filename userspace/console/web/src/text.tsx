// Text that strangers wrote, shown so that nothing in it hides: React escapes it, and this marks what a reader would not see.
import { type ReactNode, Fragment } from "react";

// Controls, marks of direction, what has no width, separators, private use, variation selectors, tags.
const hidden =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{10ffff}]/u;
// Those that the daemon has written out, and whatever is not ASCII: letters of other alphabets can look like Latin ones.
const pieces =
  /(\\u\{[0-9A-F]{4,6}\}|\\x[0-9A-F]{2}|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{10ffff}]|[^\u0000-\u007f]+)/u;

const code = (character: string) => `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;

function marked(piece: string, key: number): ReactNode {
  if (piece.startsWith("\\u{") || piece.startsWith("\\x"))
    return (
      <mark key={key} className="hidden-character" title="a character that does not show">
        {piece}
      </mark>
    );
  if (hidden.test(piece))
    return (
      <mark key={key} className="hidden-character" title="a character that does not show">
        {code(piece)}
      </mark>
    );
  return (
    <span key={key} className="foreign" title={[...piece].slice(0, 8).map(code).join(" ")}>
      {piece}
    </span>
  );
}

export function Stranger({ text }: { text: string }): ReactNode {
  const parts = text.split(pieces);
  if (parts.length === 1) return <bdi dir="ltr">{text}</bdi>;
  return (
    <bdi dir="ltr">
      {parts.map((part, index) => (index % 2 === 1 ? marked(part, index) : <Fragment key={index}>{part}</Fragment>))}
    </bdi>
  );
}

const words = new Set(
  `SELECT FROM WHERE AND OR NOT NULL IS IN INSERT INTO VALUES UPDATE SET DELETE RETURNING JOIN LEFT RIGHT INNER OUTER FULL CROSS ON
USING GROUP BY ORDER HAVING LIMIT OFFSET UNION ALL EXCEPT INTERSECT DISTINCT AS WITH RECURSIVE CASE WHEN THEN ELSE END CREATE ALTER DROP
TABLE INDEX VIEW SCHEMA DATABASE FUNCTION TRIGGER TRUNCATE GRANT REVOKE TO BEGIN COMMIT ROLLBACK SAVEPOINT COPY EXPLAIN ANALYZE VACUUM
CASCADE RESTRICT IF EXISTS PRIMARY KEY REFERENCES DEFAULT CHECK UNIQUE CONSTRAINT ADD COLUMN RENAME EXECUTE PREPARE CALL DO LOCK MERGE
MATCHED FOR BETWEEN LIKE ILIKE ASC DESC CAST INTERVAL TRUE FALSE`.split(/\s+/),
);
const token = /('(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\b[A-Za-z_]\w*\b|\$\d+|\b\d+(?:\.\d+)?\b)/;

function kindOf(piece: string): string | undefined {
  if (piece.startsWith("'")) return "sql-text";
  if (piece.startsWith('"')) return "sql-name";
  if (piece.startsWith("--") || piece.startsWith("/*")) return "sql-comment";
  if (/^[$\d]/.test(piece)) return "sql-number";
  return words.has(piece.toUpperCase()) ? "sql-word" : undefined;
}

// A command: colours help to read, and change no character of it.
export function Sql({ text }: { text: string }): ReactNode {
  return (
    <>
      {text.split(token).map((piece, index) => {
        const kind = index % 2 === 1 ? kindOf(piece) : undefined;
        return kind ? (
          <span key={index} className={kind}>
            <Stranger text={piece} />
          </span>
        ) : (
          <Stranger key={index} text={piece} />
        );
      })}
    </>
  );
}
