import '../shared/tokens.css';
import '../shared/base.css';
import '../native/front.css';
import { render } from 'preact';
import { Inspector } from '../native/FrontPage';
import { Playground } from '../native/playground';
import { Account } from '../shared/account';
import { askHealth } from '../shared/health';
import { ModelChip, ModelNotice } from '../shared/parts';

for (const el of document.querySelectorAll('.origin')) el.textContent = location.origin;

const account = new Account();
const app = document.getElementById('app')!;
app.textContent = '';
render(<Inspector play={new Playground(account)} account={account} />, app);
render(<ModelChip />, document.getElementById('model-slot')!);
render(<ModelNotice />, document.getElementById('notice-slot')!);
void askHealth();
