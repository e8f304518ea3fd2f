import { Link } from "../route";

/** Unknown is what a path gets that leads nowhere. */
export function Unknown({ what }: { what: string }) {
  return (
    <>
      <h1>Nothing here</h1>
      <p className="intro">{what}</p>
      <p>
        <Link to="/">To the market</Link>
      </p>
    </>
  );
}
